"""Policy documents of a template, parsed into statements; what cannot be parsed says why."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from session_scoping.contract import strict_json
from session_scoping.verify.intrinsics import items_of, partition_of, text_of
from session_scoping.verify.intrinsics.scope import (
    NO_VALUE,
    Scope,
    choose,
    conditions_used,
    intrinsic,
)
from session_scoping.verify.patterns.matching import split_fields
from session_scoping.verify.patterns.naming import in_this_partition, is_account, role_name_in
from session_scoping.verify.patterns.text import Text, Token, Unmodelled, is_exact, join_text, lit, plain
from session_scoping.verify.policies.actions import spelled
from session_scoping.verify.policies.model import Condition, Statement
from session_scoping.verify.policies.template_conditions import CHOICES_MAX, choices, tied, without_equal

_ELEMENTS = {
    "Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Principal", "NotPrincipal", "Condition",
}  # fmt: skip


def parse_policy(document: Any, scope: Scope, where: str, *, trust: bool = False) -> tuple[Statement, ...]:
    """
    Parse a policy document.

    Args:
        document: The document as it stands in the template.
        scope: The template it is in.
        where: What to call it in reports.
        trust: Whether it is a trust policy, whose statements name no resource.

    Returns:
        Its statements. One that depends on a template condition comes once per value of that condition. In a nested
        stack with a condition of its own all depend on that one.
    """
    found: list[Statement] = []
    names = conditions_used(document) - set(scope.choices)
    if len(names) > CHOICES_MAX:
        return (Statement(where, allow=True, problem=f"{where} depends on {len(names)} template conditions"),)
    for chosen, given in choices(names, scope):
        found += [
            replace(statement, template_conditions=given) for statement in _document(document, chosen, where, trust)
        ]
    return tied(without_equal(found) if names else tuple(found), scope.given)


def _parsed(document: Any, scope: Scope) -> Any:
    """Return a policy that is given as text, which CloudFormation takes as well; text that is no JSON as it is."""
    text = text_of(document, scope) if isinstance(document, str) or intrinsic(document) else None
    if not isinstance(text, tuple):
        return document
    tokens = [part for part in text if isinstance(part, Token)]
    marks = (f"\ue000{number}\ue001" for number in range(len(tokens)))
    try:
        return _with_tokens(
            strict_json.parse("".join(part if isinstance(part, str) else next(marks) for part in text)), tokens
        )
    except ValueError:
        return document


def _with_tokens(value: Any, tokens: Sequence[Token]) -> Any:
    """Return parsed JSON with what is only known at deploy time back in its texts; a key with such a part stays odd."""
    if isinstance(value, dict):
        return {key: _with_tokens(item, tokens) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_tokens(item, tokens) for item in value]
    if not isinstance(value, str) or "\ue000" not in value:
        return value
    pieces = re.split("\ue000(\\d+)\ue001", value)
    return join_text(*((tokens[int(piece)],) if at % 2 else lit(piece) for at, piece in enumerate(pieces)))


def _document(document: Any, scope: Scope, where: str, trust: bool) -> Iterator[Statement]:
    document = _parsed(choose(document, scope), scope)
    if document is NO_VALUE or document is None:
        return
    if not isinstance(document, dict) or intrinsic(document):
        yield Statement(where, allow=True, problem=f"{where} is not a policy document")
        return
    if unknown := set(map(str, document)) - {"Version", "Id", "Statement"}:
        yield Statement(where, allow=True, problem=f"{where}: the element {min(unknown)} is not understood")
        return
    variables = _has_variables(choose(document.get("Version", NO_VALUE), scope), scope)
    statements = variables if isinstance(variables, Unmodelled) else items_of(document.get("Statement", []), scope)
    if isinstance(statements, Unmodelled):
        yield Statement(where, allow=True, problem=statements.reason)
        return
    for index, body in enumerate(statements):
        if not isinstance(body, dict):
            yield Statement(where, allow=True, problem=f"{where}[{index}] is not a statement")
            continue
        sid = f" {body['Sid']}" if isinstance(body.get("Sid"), str) and body["Sid"] else ""
        yield _statement(body, scope, f"{where}[{index}]{sid}", variables is True, trust)


def _has_variables(version: Any, scope: Scope) -> bool | Unmodelled:
    """Return whether a document of this Version has policy variables, which the older one has not."""
    if version is NO_VALUE or version is None:
        return False
    text = text_of(version, scope)
    name = None if isinstance(text, Unmodelled) else plain(text)
    if name not in ("2012-10-17", "2008-10-17"):
        return Unmodelled(f"{scope.name}: a Version that is only known at deploy time, or that IAM does not know")
    return name == "2012-10-17"


def _statement(body: dict[str, Any], scope: Scope, where: str, variables: bool, trust: bool) -> Statement:
    allow = body.get("Effect") != "Deny"

    known: dict[str, tuple[str, ...]] = {}

    def broken(reason: str) -> Statement:
        # Of other actions it says nothing, whatever else of it cannot be read.
        only = known.get("Action") if "NotAction" not in body else None
        return Statement(where, allow, actions=only, problem=f"{where}: {reason}")

    if unknown := sorted(map(str, set(body) - _ELEMENTS)):
        return broken(f"the element {unknown[0]} is not understood")
    if all(body.get("Effect") != effect for effect in ("Allow", "Deny")):
        return broken("its Effect is neither Allow nor Deny")
    lists: dict[str, tuple[Text, ...]] = {}
    for element in ("Action", "NotAction", "Resource", "NotResource"):
        if element not in body:
            continue
        texts = _element(element, body[element], scope, allow)
        if isinstance(texts, Unmodelled):
            return broken(texts.reason)
        if "Action" in element:
            if (actions := _actions(texts)) is None:
                return broken("an action is only known at deploy time")
            known[element] = actions
        lists[element] = texts
    if len(known) != 1:
        return broken("it needs exactly one of Action and NotAction")
    conditions = _conditions(body.get("Condition"), scope)
    if isinstance(conditions, Unmodelled):
        return broken(conditions.reason)
    principals = _principals(body.get("Principal", body.get("NotPrincipal")), scope)
    if isinstance(principals, Unmodelled):
        return broken(principals.reason)
    if trust and allow:
        principals = tuple(_narrowed(principals, conditions, known.get("Action", ())))
    return Statement(
        where,
        allow,
        actions=known.get("Action"),
        not_actions=known.get("NotAction", ()),
        resources=lists.get("Resource"),
        not_resources=lists.get("NotResource", ()),
        principals=principals,
        not_principal="NotPrincipal" in body,
        conditions=conditions,
        variables=variables,
        any_resource=trust or not ("Resource" in lists or "NotResource" in lists),
    )


def _element(name: str, value: Any, scope: Scope, allow: bool) -> tuple[Text, ...] | Unmodelled:
    """Return a statement's actions or resources."""
    if value == []:
        return Unmodelled(f"its {name} is empty")
    granted = allow and name == "Resource"
    texts = _texts(value, scope)
    if isinstance(texts, Unmodelled) and granted:
        # No worse than what a parameter may hold: anything.
        texts = ((Token(f"its Resource ({texts.reason})", "free"),),)
    if isinstance(texts, Unmodelled):
        return texts
    texts = _as_deployed(texts, scope)
    return tuple(map(_completed, texts)) if granted else texts


def _narrowed(
    principals: Iterable[tuple[str, Text]], conditions: Sequence[Condition], actions: Sequence[str]
) -> Iterator[tuple[str, Text]]:
    """
    Yield the principals of a trust policy, everybody and an account as the roles that `aws:PrincipalArn` is to be.

    Everybody only where each action is one that callers sign: the key is in every signed request.
    """
    signed = bool(actions) and all(action.lower() in _SIGNED for action in actions)
    named = [
        condition.values
        for condition in conditions
        if condition.key.lower() == "aws:principalarn" and condition.operator.lower() in _NAMING_ONE
    ]
    exact = next((values for values in named if values and all(map(_is_role_arn, values))), None)
    for kind, text in principals:
        if exact is not None and ((kind == "AWS" and is_account(text)) or (kind == "*" and signed)):
            yield from (("AWS", value) for value in exact)
        else:
            yield kind, text


_BARE = ("arnequals", "arnlike", "stringequals", "stringlike")
_NAMING_ONE = {*_BARE, *(f"{operator}ifexists" for operator in _BARE)}
_SIGNED = {"sts:assumerole", "sts:tagsession", "sts:setsourceidentity"}


def _is_role_arn(text: Text) -> bool:
    return role_name_in(text) is not None and is_exact(text)


def _as_deployed(texts: tuple[Text, ...], scope: Scope) -> tuple[Text, ...]:
    return tuple(in_this_partition(text, partition_of(scope)) for text in texts) if scope.deployed else texts


def _completed(text: Text) -> Text:
    """
    Return an ARN with the fields it leaves out as wildcards, which is how AWS reads one with fewer than six.

    For Allows only: a Deny is not made wider than it is written. One with a `*` is left alone: it reaches past colons.

    Source:
        IAM guide, reference_policies_elements_resource, on incomplete ARNs.
    """
    missing = 6 - len(split_fields(text))
    is_short = bool(text) and isinstance(text[0], str) and text[0].startswith("arn:") and missing > 0
    is_open = any("*" in part if isinstance(part, str) else part.kind == "text" for part in text)
    return join_text(text, lit(":*" * missing)) if is_short and not is_open else text


def _texts(value: Any, scope: Scope) -> tuple[Text, ...] | Unmodelled:
    items = items_of(value, scope)
    if isinstance(items, Unmodelled):
        return items
    found: list[Text] = []
    for item in items:
        text = item if isinstance(item, tuple) else text_of(item, scope)
        if isinstance(text, Unmodelled):
            return text
        found.append(text)
    return tuple(found)


def _actions(texts: tuple[Text, ...]) -> tuple[str, ...] | None:
    names = [plain(text) for text in texts]
    return None if None in names else tuple(spelled(name) for name in names if name is not None)


def _conditions(block: Any, scope: Scope) -> tuple[Condition, ...] | Unmodelled:
    block = choose(block, scope)
    if block is None or block is NO_VALUE:
        return ()
    if not isinstance(block, dict) or intrinsic(block):
        return Unmodelled("its Condition is not a block of operators")
    found: list[Condition] = []
    for operator, keys in block.items():
        keys = choose(keys, scope)
        if keys is NO_VALUE:
            continue
        if not isinstance(keys, dict) or intrinsic(keys):
            return Unmodelled(f"the operator {operator} holds no keys")
        for key, value in keys.items():
            if choose(value, scope) is NO_VALUE:
                continue
            values = _texts(value, scope)
            if isinstance(values, Unmodelled):
                return values
            found.append(Condition(str(operator), str(key), values))
    return tuple(found)


def _principals(value: Any, scope: Scope) -> tuple[tuple[str, Text], ...] | Unmodelled:
    value = choose(value, scope)
    if value is None or value is NO_VALUE:
        return ()
    if value == "*":
        return (("*", lit("*")),)
    if not isinstance(value, dict) or intrinsic(value):
        return Unmodelled("its Principal is not understood")
    found: list[tuple[str, Text]] = []
    for kind, entries in value.items():
        if kind not in {"AWS", "Service", "Federated", "CanonicalUser"}:
            return Unmodelled(f"the kind of principal {kind} is not understood")
        texts = _texts(entries, scope)
        if isinstance(texts, Unmodelled):
            return texts
        texts = _as_deployed(texts, scope)
        found += [("*" if kind == "AWS" and text == ("*",) else kind, text) for text in texts]
    return tuple(found)
