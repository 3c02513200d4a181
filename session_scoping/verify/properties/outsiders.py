"""Who may come from outside: callers no policy here knows, and principals of resource policies that are not here."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network

from session_scoping.verify.binding import Binding
from session_scoping.verify.conditions import condition_holds, is_negated, split_operator
from session_scoping.verify.matching import Many, Values, split_fields
from session_scoping.verify.model import Condition, Estate, Statement
from session_scoping.verify.reach import PRINCIPAL_TAG
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.text import Text, Token, plain, show

# An account that is not the adopter's.
_ACCOUNT = "990011223344"
# Keys a caller cannot choose: AWS sets them from who and where it is. `kms:ViaService` is none: anybody may go through
# S3 with a bucket of his own. Sources, for what makes a policy not public:
# DynamoDB guide, rbac-bpa-rbp; S3 guide, access-control-block-public-access, "The meaning of public"; for keys: KMS
# guide, conditions-kms.
_SET_BY_AWS = frozenset({
    "aws:ec2instancesourcevpc", "aws:federatedprovider",
    "aws:principalaccount", "aws:principalarn", "aws:principalisawsservice", "aws:principalorgid",
    "aws:principalorgpaths", "aws:principalservicename", "aws:principalservicenameslist", "aws:principaltype",
    "aws:sourceaccount", "aws:sourcearn", "aws:sourceip", "aws:sourceorgid", "aws:sourceorgpaths", "aws:sourceowner",
    "aws:sourcevpc", "aws:sourcevpcarn", "aws:sourcevpce", "aws:userid", "aws:username",
    "aws:vpceaccount", "aws:vpceorgid", "kms:calleraccount", "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
})  # fmt: skip


@dataclass(frozen=True)
class Stranger:
    """
    A caller from outside.

    Attributes:
        who: What to call it.
        context: What AWS sets for it, condition key in lower case -> values; the other keys of that sort are missing.
        tagged: Whether it may carry principal tags, which it chooses itself.
        service: Whether it is an AWS service that works for somebody else's resource.
    """

    who: str
    context: Values
    tagged: bool = False
    service: bool = False

    def knows(self, key: str) -> bool:
        """Whether what a condition key holds for it is known."""
        # A service names what it works for in the encryption context, and that is somebody else's.
        in_context = self.service and key.startswith("kms:encryptioncontext")
        return key in _SET_BY_AWS or in_context or (not self.tagged and key.startswith(PRINCIPAL_TAG))


_INTERNET: Values = {"aws:sourceip": ("198.51.100.7",)}
_ELSEWHERE: Values = {
    "aws:principalaccount": (_ACCOUNT,),
    "aws:principalarn": (f"arn:aws:iam::{_ACCOUNT}:role/stranger",),
    "aws:principalisawsservice": ("false",),
    "aws:principalorgid": ("o-stranger",),
    "aws:principalorgpaths": Many(("o-stranger/r-1/ou-1/",)),
    "aws:principaltype": ("AssumedRole",),
    "aws:userid": ("AROASTRANGER:s",),
    "aws:username": ("stranger",),
    "kms:calleraccount": (_ACCOUNT,),
    "s3:dataaccesspointaccount": (_ACCOUNT,),
    "s3:dataaccesspointarn": (f"arn:aws:s3:us-east-1:{_ACCOUNT}:accesspoint/stranger",),
}
_OWN_VPC: Values = {"aws:sourcevpc": ("vpc-0stranger",), "aws:sourcevpce": ("vpce-0stranger",)}
_SERVICE: Values = {
    "aws:principalisawsservice": ("true",),
    "aws:sourceaccount": (_ACCOUNT,),
    "aws:sourcearn": (f"arn:aws:zz:us-east-1:{_ACCOUNT}:stranger",),
    "aws:sourceorgid": ("o-stranger",),
}
STRANGERS = (
    Stranger("anybody", _INTERNET),
    Stranger("any account", {**_INTERNET, **_ELSEWHERE}, tagged=True),
    Stranger("any account", {**_ELSEWHERE, **_OWN_VPC}, tagged=True),
    Stranger("an AWS service that works for any account", _SERVICE, service=True),
)


def as_seen(policy: tuple[Statement, ...], stranger: Stranger) -> Iterator[Statement]:
    """
    Yield the statements of a resource policy that name a stranger, as statements for everybody.

    Conditions on what AWS says of the stranger are decided; the others stay, because it may choose what they test.

    Raises:
        UnmodelledError: A condition may let everybody in by a value that is only known at deploy time.
        UnmodelledOperatorError: A condition uses an operator IAM does not document.
    """
    for statement in policy:
        left = _undecided(statement, stranger) if _names(statement, stranger) else None
        if left is not None:
            yield replace(statement, principals=(("*", ("*",)),), not_principal=False, conditions=left)


def _names(statement: Statement, stranger: Stranger) -> bool:
    kinds = {kind for kind, _ in statement.principals}
    if statement.not_principal:
        return True  # a stranger is none of those that are left out
    return "*" in kinds or (stranger.service and "Service" in kinds)


def _undecided(statement: Statement, stranger: Stranger) -> tuple[Condition, ...] | None:
    """Return the conditions that are not decided for a stranger; None when one of the others does not hold."""
    left: list[Condition] = []
    for condition in statement.conditions:
        if not stranger.knows(condition.key.lower()):
            left.append(condition)
            continue
        if _may_be_wide(condition):
            raise UnmodelledError(f"{statement.where}: {condition.key} may be compared with a wildcard at deploy time")
        if not _holds(condition, statement, stranger):
            return None
    return tuple(left)


def _holds(condition: Condition, statement: Statement, stranger: Stranger) -> bool:
    """Whether a condition on what AWS says of a stranger holds: may hold in an Allow, must in a Deny."""
    texts = [Binding().text(value) for value in condition.values]
    base = split_operator(condition.operator)[1]
    is_theirs = _CHOSEN.get(condition.key.lower())
    if is_theirs is None or base == "null" or condition.key.lower() not in stranger.context:
        concrete = Condition(condition.operator, condition.key, tuple((text,) for text in texts))
        return condition_holds(concrete, stranger.context, variables=statement.variables)
    may_match = any(map(is_theirs, texts))
    return may_match or is_negated(base) if statement.allow else is_negated(base) and not may_match


def _arn_of_theirs(pattern: str) -> bool:
    """Whether an ARN pattern may match something of a stranger's, who chooses all of it but the account."""
    fields = pattern.split(":", 5)
    if len(fields) < 6:
        return _is_wide(pattern)
    # Without an account, as in S3, the name says whose it is.
    return _is_wide(fields[4] or fields[5])


def _id_of_theirs(pattern: str) -> bool:
    """Whether a pattern of `aws:userid` leaves open whose id it is: behind the colon stands what the caller chooses."""
    return _is_wide(pattern.partition(":")[0])


def _range_of_theirs(network: str) -> bool:
    """Whether an IP range is wider than anybody owns: the widest that were ever given out are IPv4 /8 and IPv6 /19."""
    try:
        found = ip_network(network, strict=False)
    except ValueError:
        return True
    return found.prefixlen < (8 if found.version == 4 else 19)


def _is_wide(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern or "${" in pattern


# Keys of which AWS sets a part and the caller chooses the rest: whether a value leaves the part open that is AWS's.
_CHOSEN: dict[str, Callable[[str], bool]] = {
    "aws:principalarn": _arn_of_theirs,
    "aws:principaltype": lambda _: True,
    "aws:sourcearn": _arn_of_theirs,
    "aws:sourceip": _range_of_theirs,
    "aws:userid": _id_of_theirs,
    "aws:username": lambda _: True,
    "s3:dataaccesspointarn": _arn_of_theirs,
}


def _may_be_wide(condition: Condition) -> bool:
    """Whether a value that is only known at deploy time may match every caller."""
    base = split_operator(condition.operator)[1]
    return ("like" in base or "ip" in base or "arn" in base) and any(
        isinstance(part, Token) and part.kind == "free" for value in condition.values for part in value
    )


@dataclass(frozen=True)
class Outsider:
    """A principal that is named and not in the templates: what it is, and whether it belongs to their own account."""

    what: str
    of_the_account: bool = False


def outsider_of(kind: str, text: Text, estate: Estate, env: str) -> Outsider | None:
    """
    Return what a principal of a resource policy is when nothing in the templates says what it may do.

    None for roles and users of the templates, for their own account, whose policies decide, and for everybody and
    services, which `STRANGERS` stand for.

    Args:
        kind: The kind of principal.
        text: The principal.
        estate: What the templates deploy.
        env: Name of the account and Region of what the policy is on; the account of another stack is another one.
    """
    if kind in {"*", "Service"} or estate.role_by_arn(text) is not None:
        return None
    name = show(text)
    if kind != "AWS":
        return Outsider(f"{kind} {name}")
    account, path = _account_of(text)
    own = _account_id(account, estate) == _account_id(Token(f"AWS::AccountId{env}", "account"), estate)
    if own and path in {"", "root"}:
        return None
    return Outsider(name if account else f"{name}, which is not in these templates,", own)


def _account_id(account: str | Token, estate: Estate) -> str:
    """Return an account's id where it is known, else the name of what stands for it."""
    if isinstance(account, str):
        return account
    _, _, environment = account.name.partition("@aws://")
    known = environment.partition("/")[0] if environment else next(iter(estate.accounts), "")
    alone = bool(environment) or len(estate.accounts) == 1
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
