"""Who resource policies name that is not in the templates."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from session_scoping.verify.patterns.matching import split_fields
from session_scoping.verify.patterns.text import Text, Token, plain, show
from session_scoping.verify.policies.conditions import is_negated, split_operator
from session_scoping.verify.policies.model import Deployment, Statement


@dataclass(frozen=True)
class Outsider:
    """Who is named and not in the templates: what it is, and whether it is of their own account or organization."""

    what: str
    of_the_account: bool = False


def outsider_of(kind: str, text: Text, deployment: Deployment, env: str) -> Outsider | None:
    """
    Return what a principal of a resource policy is when nothing in the templates says what it may do.

    None for roles and users of the templates, for their own account, whose policies decide, and for everybody and
    services, which the strangers of `callers` stand for.

    Args:
        kind: The kind of principal.
        text: The principal.
        deployment: What the templates deploy.
        env: Name of the account and Region of what the policy is on; the account of another stack is another one.
    """
    if kind in {"*", "Service"} or deployment.role_by_arn(text) is not None:
        return None
    name = show(text)
    if kind != "AWS":
        return Outsider(f"{kind} {name}")
    account, path = _account_of(text)
    own = _account_id(account, deployment) == _account_id(_own(env), deployment)
    if own and path in {"", "root"}:
        return None
    return Outsider(name if account else f"{name}, which is not in these templates,", own)


def outsiders_of(statement: Statement, deployment: Deployment, env: str) -> Iterator[tuple[Text, Outsider]]:
    """
    Yield who is let in by a statement of a resource policy and is not in the templates, as the policy spells it.

    That is who is named as a principal, and where everybody or a service is, the accounts that conditions name.

    Args:
        statement: The statement.
        deployment: What the templates deploy.
        env: Name of the account and Region of what the policy is on.
    """
    for kind, text in statement.principals:
        if (outsider := outsider_of(kind, text, deployment, env)) is not None:
            yield text, outsider
    if not any(kind in {"*", "Service"} for kind, _ in statement.principals):
        return
    for condition in statement.conditions:
        base = split_operator(condition.operator)[1]
        if base == "null" or is_negated(base):
            continue
        if condition.key.lower() in _ORGANIZATIONS:
            yield from ((text, Outsider(show(text), of_the_account=True)) for text in condition.values)
        for text in condition.values if condition.key.lower() in _WHOSE else ():
            whole = text[0] if len(text) == 1 else ""
            # A value of which nothing is known says no account; what a resource of the templates is, it may say.
            chosen = isinstance(whole, Token) and whole.kind in {"free", "word"}
            account = whole if chosen else _account_of(text)[0]
            theirs = isinstance(account, Token) or account.isdigit()
            if theirs and _account_id(account, deployment) != _account_id(_own(env), deployment):
                yield text, Outsider(f"{show(text)}, by {condition.key},")


_WHOSE = {
    "aws:federatedprovider", "aws:principalaccount", "aws:principalarn", "aws:sourceaccount", "aws:sourcearn",
    "aws:sourceowner", "aws:sourcevpcarn", "aws:vpceaccount", "kms:calleraccount",
    "s3:dataaccesspointaccount", "s3:dataaccesspointarn",
}  # fmt: skip
"""Condition keys that say whose the caller, its endpoint, or what a service works for is."""

_ORGANIZATIONS = {
    "aws:principalorgid", "aws:principalorgpaths", "aws:sourceorgid", "aws:sourceorgpaths", "aws:vpceorgid",
    "aws:vpceorgpaths",
}  # fmt: skip
"""Condition keys that name an organization, which is taken for one's own, and said so."""


def _own(env: str) -> Token:
    return Token(f"AWS::AccountId{env}", "account")


def _account_id(account: str | Token, deployment: Deployment) -> str:
    """Return an account's id where it is known, else the name of what stands for it."""
    if isinstance(account, str):
        return account
    if account.kind != "account":
        return account.name  # a parameter may name anybody's
    _, _, environment = account.name.partition("@aws://")
    known = environment.partition("/")[0] if environment else next(iter(deployment.accounts), "")
    alone = bool(environment) or len(deployment.accounts) == 1
    return known if alone and known.isdigit() else account.name


def is_trusted(principal: Text, trusted: Iterable[str]) -> bool:
    """Whether the user lets a principal in, in whatever partition."""
    return _in_any_partition(show(principal)) in map(_in_any_partition, trusted)


def _in_any_partition(name: str) -> str:
    return re.sub(r"^arn:(\{[^}]*\}|[^:]*):", "arn:*:", name)


def _account_of(text: Text) -> tuple[str | Token, str]:
    """Return the account of a principal and what follows it; an empty account when it is not known."""
    literal = plain(text) or ""
    if literal.isdigit() or (len(text) == 1 and isinstance(text[0], Token) and text[0].kind == "account"):
        return text[0], ""
    fields = split_fields(text)
    if len(fields) != 6 or len(fields[4]) != 1 or not isinstance(fields[4][0], str | Token):
        return "", ""
    return fields[4][0], "".join(part for part in fields[5] if isinstance(part, str))
