"""Whether a trust policy that takes tokens of an OIDC issuer takes one audience's and one subject's only."""

import re

from session_scoping.verify.patterns.text import Text, Token, plain, show
from session_scoping.verify.policies.model import Condition, Statement
from session_scoping.verify.reports.report import Status

CLAIMS = ("aud", "sub")


def unpinned(statement: Statement, provider: Text) -> tuple[Status, str] | None:
    """
    Return what is wrong with how a statement takes the tokens of a Federated principal, or None.

    Both claims must be equal to literals: an issuer signs for others too, and a subject of a pattern is anybody.

    Source:
        IAM reference_policies_iam-condition-keys, "Available keys for AWS OIDC federation": `<issuer>:aud`,
        `<issuer>:sub`.
    """
    issuer = _issuer(provider)
    if issuer is None:
        return Status.UNKNOWN, f"{statement.where}: {show(provider)} is no OIDC provider whose issuer is known here"
    for claim in CLAIMS:
        values = [v for c in statement.conditions if _compares(c, f"{issuer}:{claim}") for v in _exact(c)]
        if not values:
            detail = f"a token of {issuer} with any `{claim}` makes a session"
            return Status.VIOLATED, f"{statement.where}: {detail}"
        if any(plain(value) is None for value in values):
            return Status.UNKNOWN, f"{statement.where}: the `{claim}` that is trusted is only known at deploy time"
    return None


def lets_many_in(statement: Statement, provider: Text) -> tuple[Status, str] | None:
    """
    Return why a statement may take tokens of people its author does not know, or None.

    Unlike `unpinned` it takes a subject that begins with whose it is, such as `repo:org/name:*`: what stands behind is
    the owner's own. For roles that do not say whose session they make.
    """
    issuer = _issuer(provider)
    if issuer is None:
        return Status.UNKNOWN, f"{statement.where}: whom {show(provider)} lets in is not modelled"
    for claim in CLAIMS:
        key = f"{issuer}:{claim}"
        if not any(condition.key.lower() == key for condition in statement.conditions):
            return Status.VIOLATED, f"{statement.where}: a token of {issuer} with any `{claim}` lets somebody in"
        values = [value for c in statement.conditions if _compares(c, key) for value in c.values]
        texts = ["".join(map(_at_most, value)) for value in values]
        if not texts or not all(map(_says_whose, texts)):
            detail = f"tokens of {issuer} with many a `{claim}` let somebody in"
            return Status.UNKNOWN, f"{statement.where}: {detail}"
    return None


def _at_most(part: str | Token) -> str:
    """Return a part of a pattern; what may hold anything at deploy time may hold a wildcard."""
    return part if isinstance(part, str) else "*" if part.kind == "free" else "x"


def _says_whose(pattern: str) -> bool:
    """Whether a pattern has no wildcard, or only behind whole parts of a name, of which the second says whose it is."""
    head = re.split(r"[*?$]", pattern)[0]
    return bool(pattern) and (head == pattern or (head[-1:] in set(":/") and len(re.findall("[:/]", head)) > 1))


def _issuer(provider: Text) -> str | None:
    """Return host and path of the issuer, in the lower case condition keys are compared in."""
    last = provider[-1] if provider else ""
    if not isinstance(last, str) or "oidc-provider/" not in last:
        return None
    return last.partition("oidc-provider/")[2].lower() or None


def _compares(condition: Condition, key: str) -> bool:
    return condition.key.lower() == key and condition.operator.lower() in ("stringequals", "stringlike")


def _exact(condition: Condition) -> list[Text]:
    """Return the values; none when one of them is empty or a pattern, because values of one key are alternatives."""
    texts = ["".join(part for part in value if isinstance(part, str)) for value in condition.values]
    # A variable can stand for the claim itself.
    special = set("*?$") if condition.operator.lower() == "stringlike" else set("$")
    wild = any(special & set(text) for text in texts)
    return [] if wild or not all(condition.values) else list(condition.values)
