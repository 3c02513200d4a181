"""WorkloadBinding: sessions that are of no use outside the workload's own network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from session_scoping.aws.bedrock import INVOKE_ACTIONS
from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext, has_wildcard, is_token
from session_scoping.constructs.cdk.statements import Conditions, deny
from session_scoping.constructs.cdk.synth_checks import Check
from session_scoping.constructs.restrictions.network import compute_checks, endpoint_checks
from session_scoping.constructs.restrictions.restriction import RestrictedRole, Restriction
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.metadata import BOUND_REGION, BOUND_TO, PINNED_BY

TASK_IP = "task_ip"
"""The session tag that holds the task's own IPv4 address, where `task_ip` is asked for."""

_EVERYTHING: Mapping[str, Sequence[str]] = {"Action": ["*"], "Resource": ["*"]}
# A request AWS itself makes for a session comes from the service's network. `IfExists`: a request without the key
# counts as a direct one, so what is not known is denied.
_DIRECT: Conditions = {"BoolIfExists": {"aws:ViaAWSService": "false"}}


class WorkloadBinding(Restriction):
    """
    Ties sessions to one VPC and Region: STS makes them there only, and everywhere else they are denied everything.

    NOT PROTECTED: none of this is attestation. Other code in the VPC, next to the agent or elsewhere in it,
    may use a stolen session; AgentCore runtimes with the same subnets and security groups share network interfaces,
    so the VPC is the finest binding there is for them. See docs/binding.md.

    Args:
        vpc: The VPC the agents run in, or its id.
        region: Region of the VPC. VPC ids are unique within a Region only. Default: the role's stack's.
        task_ip: Whether sessions are also tied to the IP address in their `task_ip` tag. For ECS tasks in network
            mode `awsvpc`. The tag says what the minter said: with compute roles as minters it binds a leaked session,
            not a hijacked agent, which can mint with another address. Default: they are not.
        endpoints_elsewhere: Services whose endpoints are made outside this app, such as `s3`. Default: none; where the
            VPC is made in this app, synth demands the endpoints sessions need.

    Raises:
        InvalidInputError: The VPC's id or the Region has another form.

    Source:
        IAM guide, reference_policies_condition-keys: aws:SourceVpc and aws:VpcSourceIp are in a request only when it
        comes through a VPC endpoint; aws:ViaAWSService.
    """

    def __init__(
        self,
        *,
        vpc: cdk.aws_ec2.IVpc | str,
        region: str | None = None,
        task_ip: bool = False,
        endpoints_elsewhere: Sequence[str] = (),
    ) -> None:
        self._vpc = vpc
        self._vpc_id = vpc if isinstance(vpc, str) else _id_of(vpc)
        self._region = region
        self._task_ip = task_ip
        self._elsewhere = frozenset(endpoints_elsewhere)
        _check_name("the VPC's id", self._vpc_id, "vpc-")
        if region is not None:
            _check_name("the VPC's Region", region, "")

    def check(self, scope: Construct, tag_keys: Sequence[str]) -> None:  # noqa: ARG002 - the base's signature
        """Refuse a pin where sessions do not carry it."""
        if self._task_ip and TASK_IP not in tag_keys:
            raise InvalidInputError(
                "sessions are tied to an address they do not carry",
                got=f"no tag `{TASK_IP}`",
                expected=f"`{TASK_IP}` among tag_keys",
                why="every session would be denied everything",
                fix=f'add it: tag_keys=[..., "{TASK_IP}"], or leave task_ip out where sessions carry no tags',
            )

    def trust_conditions(self, context: StackContext) -> Conditions:
        """Return that STS is called from the VPC, in its Region. Positive: a missing key admits nobody."""
        return {"StringEquals": {"aws:SourceVpc": self._vpc_id, "aws:RequestedRegion": self._region_at(context)}}

    def guards(self, context: StackContext) -> list[Section]:
        """
        Return the Denies: outside the VPC, outside its Region, and away from the task's address.

        A negated operator matches where its key is missing: a request from no VPC at all is denied too.
        """
        # Cross-Region inference is authorized in the Region it is routed to: denying that denies the profile.
        elsewhere = {"NotAction": INVOKE_ACTIONS, "Resource": ["*"]}
        outside: Conditions = {"StringNotEquals": {"aws:SourceVpc": self._vpc_id}}
        abroad: Conditions = {"StringNotEquals": {"aws:RequestedRegion": self._region_at(context)}}
        denied = [
            deny("DenyOutsideVpc", _EVERYTHING, outside, _DIRECT),
            deny("DenyOtherRegions", elsewhere, abroad, _DIRECT),
        ]
        if self._task_ip:
            # Policy variables work with string operators only, not with NotIpAddress.
            away: Conditions = {"StringNotEquals": {"aws:VpcSourceIp": f"${{aws:PrincipalTag/{TASK_IP}}}"}}
            unpinned: Conditions = {"StringNotLike": {f"aws:PrincipalTag/{TASK_IP}": "?*"}}
            denied += [
                deny("DenyWithoutPin", _EVERYTHING, unpinned),
                deny("DenyAwayFromTask", _EVERYTHING, away, _DIRECT),
            ]
        return [Section.whole(statement) for statement in denied]

    def metadata(self, context: StackContext) -> Mapping[str, Any]:
        """Return the VPC, its Region and the pin."""
        pinned = {PINNED_BY: TASK_IP} if self._task_ip else {}
        return {BOUND_TO: self._vpc_id, BOUND_REGION: self._region_at(context), **pinned}

    def checks(self, restricted: RestrictedRole) -> Iterable[Check]:
        """Return that the code which uses the sessions can run in the VPC, and that the endpoints it needs exist."""
        yield from compute_checks(restricted, task_ip=self._task_ip)
        if not isinstance(self._vpc, str) and isinstance(self._vpc, cdk.aws_ec2.Vpc):
            yield from endpoint_checks(restricted, self._vpc, self._elsewhere)

    def _region_at(self, context: StackContext) -> str:
        return self._region or context.region


def endpoint_policy_for(*roles: Any) -> list[iam.PolicyStatement]:
    """
    Return what a VPC endpoint's policy holds when only these roles may use it.

    For the STS endpoint name the minters: they make that call. A caller with a web identity has no ARN yet, and other
    users of the endpoint, such as ECS pulling image layers through S3, need statements of their own.

    Args:
        roles: SessionRole, SessionBrokerRole, ScopedComputeRole or `iam.IRole`.

    Raises:
        InvalidInputError: There is no role.

    Source:
        VPC guide, vpc-endpoints-access: with gateway endpoints the principal is `*` and aws:PrincipalArn says who.
    """
    if not roles:
        raise InvalidInputError(
            "the endpoint policy names nobody",
            got="no role",
            expected="at least one role",
            why="an endpoint that admits nobody cuts the agents off",
            fix="pass the session role and, for STS, its minters",
        )
    arns = [role.role_arn for role in roles]
    return [
        iam.PolicyStatement(
            sid="TheseRolesOnly",
            principals=[iam.AnyPrincipal()],
            actions=["*"],
            resources=["*"],
            conditions={"ArnEquals": {"aws:PrincipalArn": arns}},
        )
    ]


def _id_of(vpc: Any) -> str:
    found = getattr(vpc, "vpc_id", None)
    if not isinstance(found, str):
        raise InvalidInputError(
            "the binding has no VPC",
            got=f"a {type(vpc).__name__}",
            expected="an ec2.IVpc or a VPC's id",
            why="sessions would be bound to nothing",
            fix="pass the VPC the agents run in",
        )
    return found


def _check_name(what: str, text: str, prefix: str) -> None:
    if (
        not text
        or has_wildcard(text)
        or "$" in text.replace("${Token[", "")
        or not (is_token(text) or text.startswith(prefix))
    ):
        raise InvalidInputError(
            f"{what} does not name one",
            got=f"`{text}`",
            expected=f"one name{f' that begins `{prefix}`' if prefix else ''}, without wildcards",
            why="sessions would be bound to more than one network, or to none",
            fix="pass the VPC itself, and leave the Region out where it is the stack's own",
        )
