"""Whether a trust policy that takes tokens of an OIDC issuer takes one audience's and one subject's only."""

from session_scoping.verify.model import Condition, Statement
from session_scoping.verify.report import Status
from session_scoping.verify.text import Text, plain, show

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
