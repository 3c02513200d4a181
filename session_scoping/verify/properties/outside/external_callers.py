"""Who may come from outside: callers no policy here knows, and what AWS says of them in their requests."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import product

from session_scoping.verify.patterns.matching import Many, Values
from session_scoping.verify.patterns.text import Token
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.conditions import condition_holds, is_negated, split_operator
from session_scoping.verify.policies.model import Condition, Statement
from session_scoping.verify.policies.statement_queries import PRINCIPAL_TAG
from session_scoping.verify.symbolic.conditions import UnmodelledError

# An account that is not the adopter's.
_ACCOUNT = "990011223344"
# What AWS puts into every request of a caller of an account, or into some: the caller chooses which. `kms:ViaService`
# is not here: anybody may go through S3 with a bucket of his own, so it is the caller's like every key that is not
# listed. Sources, for what makes a policy not public: DynamoDB guide, rbac-bpa-rbp; S3 guide,
# access-control-block-public-access, "The meaning of public"; for keys: IAM guide, reference_policies_condition-keys,
# "Availability"; KMS guide, conditions-kms.
_INTERNET: Values = {"aws:sourceip": ("198.51.100.7",)}
_ACCESS_POINT: Values = {
    "s3:dataaccesspointaccount": (_ACCOUNT,),
    "s3:dataaccesspointarn": (f"arn:aws:s3:us-east-1:{_ACCOUNT}:accesspoint/stranger",),
}
_ANYBODY: Values = {
    **_INTERNET,
    **_ACCESS_POINT,
    "aws:principalaccount": ("anonymous",),
    "aws:principaltype": ("Anonymous",),
    "aws:userid": ("anonymous",),
}
_ELSEWHERE: Values = {
    **_ACCESS_POINT,
    "aws:ec2instancesourcevpc": ("vpc-0stranger",),
    "aws:federatedprovider": ("accounts.google.com",),
    "aws:principalaccount": (_ACCOUNT,),
    "aws:principalarn": (f"arn:aws:iam::{_ACCOUNT}:role/stranger",),
    "aws:principalisawsservice": ("false",),
    "aws:principalorgid": ("o-stranger",),
    "aws:principalorgpaths": Many(("o-stranger/r-1/ou-1/",)),
    "aws:principaltype": ("AssumedRole",),
    "aws:userid": ("AROASTRANGER:s",),
    "aws:username": ("stranger",),
    "kms:calleraccount": (_ACCOUNT,),
}
_OWN_VPC: Values = {
    "aws:sourcevpc": ("vpc-0stranger",),
    "aws:sourcevpcarn": (f"arn:aws:ec2:us-east-1:{_ACCOUNT}:vpc/vpc-0stranger",),
    "aws:sourcevpce": ("vpce-0stranger",),
    "aws:vpceaccount": (_ACCOUNT,),
    "aws:vpceorgid": ("o-stranger",),
    "aws:vpceorgpaths": Many(("o-stranger/r-1/ou-1/",)),
}
_SERVICE: Values = {
    **_INTERNET,
    **_ELSEWHERE,
    "aws:principalisawsservice": ("true",),
    "aws:principalservicename": ("stranger.amazonaws.com",),
    "aws:principalservicenameslist": Many(("stranger.amazonaws.com",)),
    "aws:sourceaccount": (_ACCOUNT,),
    "aws:sourcearn": (f"arn:aws:zz:us-east-1:{_ACCOUNT}:stranger",),
    "aws:sourceorgid": ("o-stranger",),
    "aws:sourceorgpaths": Many(("o-stranger/r-1/ou-1/",)),
    "aws:sourceowner": (_ACCOUNT,),
}
_SET_BY_AWS = frozenset({*_OWN_VPC, *_SERVICE})
# Keys in every request: of a caller with an account, and through a VPC endpoint.
_ALWAYS = frozenset({
    "aws:principalaccount", "aws:principalarn", "aws:principalisawsservice", "aws:principaltype", "aws:sourceip",
    "aws:sourcevpc", "aws:sourcevpce", "aws:userid",
})  # fmt: skip


@dataclass(frozen=True)
class Stranger:
    """
    A caller from outside.

    Attributes:
        who: What to call it.
        context: What AWS sets for it, condition key in lower case -> values; the other keys of that sort are missing.
        always: The keys of its context that are in each of its requests.
        tagged: Whether it may carry principal tags, which it chooses itself.
        service: Whether it is an AWS service that works for somebody else's resource.
    """

    who: str
    context: Values
    always: frozenset[str] = _ALWAYS
    tagged: bool = False
    service: bool = False

    def knows(self, key: str) -> bool:
        """Whether what a condition key holds for it is known."""
        # A service names what it works for in the encryption context, and that is somebody else's.
        in_context = self.service and key.startswith("kms:encryptioncontext")
        return key in _SET_BY_AWS or in_context or (not self.tagged and key.startswith(PRINCIPAL_TAG))


_LACKED_MAX = 6
_STRANGERS = (
    Stranger("anybody", _ANYBODY),
    Stranger("any account", {**_INTERNET, **_ELSEWHERE}, tagged=True),
    Stranger("any account", {**_ELSEWHERE, **_OWN_VPC}, tagged=True),
    Stranger(
        "an AWS service that works for any account",
        _SERVICE,
        always=frozenset({"aws:principalisawsservice"}),
        service=True,
    ),
)


def strangers(policy: tuple[Statement, ...]) -> Iterator[Stranger]:
    """
    Yield who may come from outside, with and without each key a policy asks for that a request may lack.

    Raises:
        UnmodelledError: There are too many to try all combinations.
    """
    used = {condition.key.lower() for statement in policy for condition in statement.conditions}
    for stranger in _STRANGERS:
        lacked = sorted(used & set(stranger.context) - stranger.always)
        if len(lacked) > _LACKED_MAX:
            raise UnmodelledError(f"a policy asks for {len(lacked)} keys that a request may have or lack")
        for present in product((True, False), repeat=len(lacked)):
            without = {key for key, there in zip(lacked, present, strict=True) if not there}
            yield replace(stranger, context={k: v for k, v in stranger.context.items() if k not in without})


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
    # Of numbers and dates nothing is known.
    may_match = not base.startswith(_COMPARED) or any(is_theirs(text) or _spans(base, text) for text in texts)
    return may_match or is_negated(base) if statement.allow else is_negated(base) and not may_match


def _spans(base: str, pattern: str) -> bool:
    """Whether a wildcard stands before the account of an ARN that is compared as text, where it reaches past colons."""
    return base.startswith("string") and pattern.startswith("arn:") and "*" in ":".join(pattern.split(":", 5)[:4])


_COMPARED = ("string", "arn", "ipaddress", "notipaddress")


def _arn_of_theirs(pattern: str) -> bool:
    """Whether an ARN pattern may match something of a stranger's, who chooses all of it but the account."""
    fields = pattern.split(":", 5)
    if len(fields) < 6:
        return _is_wide(pattern)
    # Without an account, as in S3, the name says whose it is.
    return _is_wide(fields[4] or fields[5])


def _id_of_theirs(pattern: str) -> bool:
    """
    Whether a pattern leaves open whose account, organization, VPC or role it is.

    Behind the colon of `aws:userid` and the slash of an organization's path stands what the other side chooses.
    """
    return pattern == "anonymous" or _is_wide(re.split("[:/]", pattern)[0])


def _provider_of_theirs(pattern: str) -> bool:
    """Whether a stranger's role may be assumed by such a provider: all but those that stand in one account."""
    return not pattern.startswith("arn:") or _arn_of_theirs(pattern)


def _range_of_theirs(network: str) -> bool:
    """Whether an IP range is wider than anybody owns: the widest that were ever given out are IPv4 /8 and IPv6 /19."""
    try:
        found = ip_network(network, strict=False)
    except ValueError:
        return True
    return found.prefixlen < (8 if found.version == 4 else 19)


def _is_wide(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern or "${" in pattern


# Keys with many values -> whether a stranger may have one that a pattern matches. There are strangers with every
# account, organization and VPC but one's own, so that only what says whose it is keeps them out.
_CHOSEN: dict[str, Callable[[str], bool]] = {
    **dict.fromkeys(_SET_BY_AWS - {"aws:principalisawsservice"}, _id_of_theirs),
    "aws:federatedprovider": _provider_of_theirs,
    "aws:principalarn": _arn_of_theirs,
    "aws:principalservicename": lambda _: True,
    "aws:principalservicenameslist": lambda _: True,
    "aws:principaltype": lambda _: True,
    "aws:sourcearn": _arn_of_theirs,
    "aws:sourceip": _range_of_theirs,
    "aws:sourcevpcarn": _arn_of_theirs,
    "aws:username": lambda _: True,
    "s3:dataaccesspointarn": _arn_of_theirs,
}


def _may_be_wide(condition: Condition) -> bool:
    """Whether a value that is only known at deploy time may match every caller."""
    base = split_operator(condition.operator)[1]
    return ("like" in base or "ip" in base or "arn" in base) and any(
        isinstance(part, Token) and part.kind == "free" for value in condition.values for part in value
    )
