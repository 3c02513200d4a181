"""Which grants on compute roles reach what only sessions may: asked at synth, when roles and data are all there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from typing import Any, cast

import aws_cdk as cdk

from session_scoping.constructs.cdk.documents import flatten
from session_scoping.constructs.cdk.stack_context import TOKEN, StackContext
from session_scoping.constructs.cdk.statements import Statement
from session_scoping.constructs.cdk.synth_checks import Protected
from session_scoping.constructs.compute.grants import reads_or_writes

_WILDCARD = re.compile(r"[*?]")
_TOKEN = re.compile(r"\$\{Token\[[^\]]*\]\}")
_PSEUDO = re.compile(r"<AWS::\w+>")
_OWN_ARN = re.compile(r"^<(\w+)\.Arn>")
# What a resource is called in an ARN, where its template may say the name.
_NAMED = {"bucket_name": "arn:*:s3:::{}", "table_name": "arn:*:dynamodb:*:*:table/{}"}


def tenant_grants(granted: Sequence[Statement], protected: Iterable[Protected], context: StackContext) -> Iterator[str]:
    """
    Say which grants on a compute role reach what is denied to compute roles.

    Two values that only the deployment knows, such as parameters, count as different: the Deny holds in any case.

    Args:
        granted: What was granted to the role.
        protected: The session roles of the app, each with its Denies, which name the tenant data.
        context: The stack of the role.
    """
    for owner, sections in protected:
        carried = [statement for section in sections() for statement in section.render(section.items)]
        denied = [statement for statement in carried if statement["Effect"] == "Deny"]
        for body in granted:
            if actions := [name for name in _listed(body.get("Action")) if _reaches(name, body, denied, context)]:
                yield (
                    f"is granted tenant data of `{owner.node.path}`: got {', '.join(actions)}, expected that only "
                    "sessions reach it; a Deny makes the grant dead, and without one every task reaches every tenant's "
                    "data; fix: give the SessionRole the access, or, while old code needs it and "
                    "deny_tenant_data_to_compute_roles is off, grant it to `agent.policy_role`"
                )


def _reaches(pattern: str, body: Statement, denied: Sequence[Statement], context: StackContext) -> bool:
    services = reads_or_writes(pattern) if body.get("Effect") == "Allow" else frozenset()
    named = _listed(body.get("Resource", "*")) if services else []
    return any(
        _meet(one, other)
        for statement in (denied if services else ())
        # What a Deny spares on a resource is of the service that the resource belongs to.
        if {name.split(":")[0] for name in _listed(statement.get("Action", statement.get("NotAction")))}
        & {*services, "*"}
        for theirs in _listed(statement.get("Resource"))
        for mine in named
        for one, other in _pairs(mine, theirs, context)
    )


def _pairs(mine: str, theirs: str, context: StackContext) -> Iterator[tuple[str, str]]:
    """Return both resources as they are to be compared: by what they refer to, or else by what they resolve to."""
    if TOKEN not in _spelled(mine):
        yield _spelled(mine), _spelled(theirs)
        return
    # A joined ARN, or one that is made late, refers to nothing that can be asked.
    for written in _written(mine, context):
        yield written, _spelled(theirs)
        yield from ((written, other) for other in _written(theirs, context))


@cache
def _written(text: str, context: StackContext) -> list[str]:
    """Return a resource as its template has it; what `<id.Arn>` is an ARN of, the template does not say."""
    resolved = context.stack.resolve(text)
    if resolved is None:  # such as the indexes of a table that has none
        return []
    found = _PSEUDO.sub("*", flatten(resolved))
    own = _OWN_ARN.match(found)
    return [found, *(arn.format(f"<{own[1]}>") + found[own.end() :] for arn in _NAMED.values() if own)]


@cache
def _spelled(text: str) -> str:
    """Return a resource with its tokens replaced: a table or bucket by the name it is known under, a place by `*`."""
    return _TOKEN.sub(lambda found: _token(found.group()), text) if TOKEN in text else text


@cache
def _token(text: str) -> str:
    if text.startswith(f"{TOKEN}AWS."):
        return "*"
    (token,) = cdk.Tokenization.reverse_string(text).tokens
    if not cdk.Reference.is_reference(token):
        return text
    target, attribute = cast(cdk.Reference, token).target, cast(cdk.Reference, token).display_name
    for property_, arn in _NAMED.items():
        if hasattr(type(target), property_):
            name = getattr(target, property_)
            known = f"<{target.node.path}>" if name is None or TOKEN in name else name
            return known if attribute == "Ref" else arn.format(known) + ("/stream/*" if "Stream" in attribute else "")
    return f"<{target.node.path}.{attribute}>"


def _meet(one: str, other: str) -> bool:
    """Whether some ARN fits both patterns."""
    mine, theirs = one.split(":", 5), other.split(":", 5)
    if len(mine) != len(theirs):
        return _texts_meet(one, other)
    return all(_texts_meet(a, b) for a, b in zip(mine, theirs, strict=True))


@cache
def _texts_meet(one: str, other: str) -> bool:
    if not (_WILDCARD.search(one) or _WILDCARD.search(other)):
        return one == other
    # Row by row: whether what was read of `one` meets what was read of `other`.
    row = [not other[:end].strip("*") for end in range(len(other) + 1)]
    for mine in one:
        row, above = [row[0] and mine == "*"], row
        for place, theirs in enumerate(other):
            if "*" in (mine, theirs):
                row.append(above[place + 1] or row[place])
            else:
                row.append(above[place] and (mine == theirs or "?" in (mine, theirs)))
    return row[-1]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
