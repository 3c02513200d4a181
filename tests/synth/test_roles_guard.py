"""No compute role, of whatever kind, becomes a role that nobody named; decided by an independent simulator."""

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_

from session_scoping import (
    ComputeBackend,
    CredentialBroker,
    InvalidInputError,
    Minting,
    ScopedComputeRole,
    SessionBrokerRole,
    TenantTable,
)
from tests.support import stacks
from tests.support.matrix import Case, failures
from tests.support.world import ACCOUNT, World

ISSUER = "https://tokens.example.com"
PROVIDER = f"arn:aws:iam::{ACCOUNT}:oidc-provider/tokens.example.com"
DEPLOY = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-deploy-role-{ACCOUNT}-us-east-1"
REPORTS = f"arn:aws:iam::{ACCOUNT}:role/reports"


def _broker(stack: cdk.Stack) -> CredentialBroker:
    key = kms.Key(stack, "Signing", key_spec=kms.KeySpec.RSA_2048, key_usage=kms.KeyUsage.SIGN_VERIFY)
    return CredentialBroker(stack, "Broker", signing_key=key, issuer=ISSUER, audience="sessions")


def _by_web_identity(stack: cdk.Stack, *roles: Any, **options: Any) -> Minting:
    provider = iam.OpenIdConnectProvider.from_open_id_connect_provider_arn(stack, "Provider", PROVIDER)
    return Minting.by_web_identity(provider, audience="sessions", issuer=ISSUER, compute_roles=roles, **options)


MODES: dict[str, Callable[..., Minting]] = {
    "compute": lambda _, *roles, **options: Minting.by_compute_roles(*roles, **options),
    "orchestrator": lambda stack, *roles, **options: Minting.by_orchestrator(
        stacks.role(stack, "Orchestrator"), compute_roles=roles, **options
    ),
    "credential broker": lambda stack, *roles, **options: Minting.by_credential_broker(
        _broker(stack), compute_roles=roles, **options
    ),
    "web identity": _by_web_identity,
}


def _plain(stack: cdk.Stack) -> iam.IRole:
    return stacks.role(stack)


def _scoped(stack: cdk.Stack) -> ScopedComputeRole:
    return ScopedComputeRole(stack, "Compute", backend=ComputeBackend.ECS)


ROLES: dict[str, Callable[[cdk.Stack], Any]] = {"a role that exists": _plain, "a ScopedComputeRole": _scoped}


def _becoming(role: str, *named: str) -> list[Case]:
    """Return what a compute role could become with a colleague's `*`; `named` are the roles it may."""

    def case(action: str, resource: str, allowed: bool) -> Case:
        return Case(f"{action} under *", role, f"sts:{action}", resource, allowed, {}, {})

    others = [case(action, arn, False) for action in ("AssumeRole", "TagSession") for arn in (DEPLOY, f"{REPORTS}2")]
    root = case("AssumeRoot", f"arn:aws:iam::{ACCOUNT}:root", False)
    return [*others, root, case("AssumeRole", REPORTS, REPORTS in named)]


@pytest.mark.parametrize("may_assume", [(), (REPORTS,)], ids=["none named", "one named"])
@pytest.mark.parametrize("kind", ROLES)
@pytest.mark.parametrize("mode", MODES)
def test_a_compute_role_becomes_no_role_that_is_not_named(mode: str, kind: str, may_assume: tuple[str, ...]) -> None:
    """Not the CDK's deploy role, not the account's root, not a role named alike; what `may_assume` names, it may."""
    stack = stacks.stack()
    role = ROLES[kind](stack)
    stacks.session_role(stack, minting=MODES[mode](stack, role, may_assume=may_assume))
    world = World(stacks.template(stack))
    prefix = "ComputeRole" if kind == "a ScopedComputeRole" else "Compute"
    cases = _becoming(prefix, *may_assume)
    session = world.role("SessionRole").arn
    cases.append(Case("minting under *", prefix, "sts:AssumeRole", session, mode == "compute", {}, {}))
    assert failures(world, cases, ["everything"]) == []


@pytest.mark.parametrize("kind", ROLES)
def test_two_session_roles_share_the_guard_of_a_compute_role(kind: str) -> None:
    """It mints for both, since one Deny leaves both out, and becomes no third role."""
    stack = stacks.stack()
    role = ROLES[kind](stack)
    for number in (1, 2):
        tables = [TenantTable(stacks.table(stack, f"Table{number}"))]
        stacks.session_role(stack, f"Session{number}", minting=Minting.by_compute_roles(role), tables=tables)
    world = World(stacks.template(stack))
    prefix = "ComputeRole" if kind == "a ScopedComputeRole" else "Compute"
    cases = _becoming(prefix)
    for number in (1, 2):
        session = world.role(f"Session{number}Role").arn
        cases.append(Case(f"minting {number}", prefix, "sts:AssumeRole", session, True, {}, {}))
    assert failures(world, cases, ["everything"]) == []
    # Deployed as it is, without anybody's broad Allow, it mints for both as well.
    assert failures(world, cases[-2:], ["deployed"]) == []


def test_two_imports_of_one_role_share_its_guard() -> None:
    """A role under two imports, in two stacks, has one Deny: two would block each other's minting."""
    app = stacks.new_app()
    for number in (1, 2):
        stack = cdk.Stack(app, f"Stack{number}", env=stacks.environment())
        arn = f"arn:aws:iam::{stacks.ACCOUNT}:role/agents/acme-agent"
        spelled = arn if number == 1 else f"arn:{cdk.Aws.PARTITION}:iam::{stacks.ACCOUNT}:role/agents/acme-agent"
        role = iam.Role.from_role_arn(stack, "Agent", spelled)
        stacks.session_role(stack, minting=Minting.by_compute_roles(role))
    templates = stacks.synth(app)
    guards = [one for one in stacks.attached(templates, "acme-agent") if one["Sid"] == "DenyOtherRoles"]
    assert len(guards) == 1
    assert len(guards[0]["NotResource"]) == 2


def test_a_tenant_s_role_is_left_out_for_the_roles_that_assume_it() -> None:
    """A dispatcher that mints sessions itself still assumes the SessionBrokerRole whose trust names it."""
    stack = stacks.stack()
    role = stacks.role(stack)
    stacks.session_role(stack, minting=Minting.by_compute_roles(role))
    SessionBrokerRole(stack, "Acme", tenant="acme", callers=[role])
    SessionBrokerRole(stack, "Other", tenant="other", callers=[stacks.role(stack, "Dispatcher")])
    world = World(stacks.template(stack))
    cases = [
        Case("the tenant's", "Compute", "sts:AssumeRole", world.role("AcmeRole").arn, True, {}, {}),
        Case("another tenant's", "Compute", "sts:AssumeRole", world.role("OtherRole").arn, False, {}, {}),
    ]
    assert failures(world, cases, ["everything"]) == []


# --- what is refused ----------------------------------------------------------------------------------------------


def _late(stack: cdk.Stack) -> None:
    first, second = stacks.role(stack, "First"), stacks.role(stack, "Second")
    stacks.session_role(stack, minting=Minting.by_compute_roles(first, second))
    minting = Minting.by_compute_roles(second, may_assume=[REPORTS])
    stacks.session_role(stack, "Late", minting=minting, tables=[TenantTable(stacks.table(stack, "More"))])


def _orchestrator_named(stack: cdk.Stack) -> None:
    orchestrator = stacks.role(stack, "Orchestrator")
    Minting.by_orchestrator(orchestrator, compute_roles=[stacks.role(stack)], may_assume=[orchestrator])


def _broker_named(stack: cdk.Stack) -> None:
    broker = _broker(stack)
    Minting.by_credential_broker(broker, compute_roles=[stacks.role(stack)], may_assume=[broker.role.role_arn])


def _mixed(stack: cdk.Stack) -> None:
    role = stacks.role(stack)
    stacks.session_role(stack, minting=Minting.by_compute_roles(role))
    minting = Minting.by_orchestrator(stacks.role(stack, "Orchestrator"), compute_roles=[role])
    stacks.session_role(stack, "Other", minting=minting, tables=[TenantTable(stacks.table(stack, "More"))])


def _immutable(stack: cdk.Stack) -> None:
    arn = f"arn:aws:iam::{ACCOUNT}:role/x"
    role = iam.Role.from_role_arn(stack, "Imported", arn, mutable=False)
    stacks.session_role(stack, minting=MODES["web identity"](stack, role))


def _function(stack: cdk.Stack) -> Any:
    code = lambda_.Code.from_inline("pass")
    return lambda_.Function(stack, "F", runtime=lambda_.Runtime.PYTHON_3_12, handler="i.h", code=code)


WRONG: dict[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "a pattern": (
        lambda stack: Minting.by_compute_roles(_plain(stack), may_assume=[f"arn:aws:iam::{ACCOUNT}:role/cdk-*"]),
        "`may_assume` would open more than one role",
    ),
    "every role": (lambda stack: Minting.by_compute_roles(_plain(stack), may_assume="*"), "a wildcard"),
    "a name": (lambda stack: Minting.by_compute_roles(_plain(stack), may_assume=["reports"]), "is no role's ARN"),
    "the root": (
        lambda stack: Minting.by_compute_roles(_plain(stack), may_assume=[f"arn:aws:iam::{ACCOUNT}:root"]),
        "is no role's ARN",
    ),
    "the orchestrator": (_orchestrator_named, "the minter's role"),
    "the broker's role": (_broker_named, "the minter's role"),
    "a role that a guard made before does not leave out": (_late, r"made first.*Minting of `Small/Session`"),
    "a role in both modes": (_mixed, "would mint for one session role and not for another"),
    "a compute role that cannot be changed": (_immutable, "cannot be changed from this stack"),
    "a function": (lambda stack: Minting.by_compute_roles(_function(stack)), r"a Function.*pass its `\.role`"),
    "a task definition": (
        lambda stack: Minting.by_compute_roles(ecs.FargateTaskDefinition(stack, "T")),  # type: ignore[arg-type]
        r"a FargateTaskDefinition.*pass its `\.task_role`",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_would_open_more_is_refused(what: str) -> None:
    """Each message says what to pass instead."""
    make, message = WRONG[what]
    with pytest.raises(InvalidInputError, match=message):
        make(stacks.stack())


# --- no compute role at all ---------------------------------------------------------------------------------------


def _warnings(stack: cdk.Stack) -> list[str]:
    return [
        str(entry.data)
        for one in stack.node.find_all()
        for entry in one.node.metadata
        if entry.type == "aws:cdk:warning"
    ]


@pytest.mark.parametrize(
    ("mode", "warns"), [("credential broker", True), ("web identity", True), ("orchestrator", False)]
)
def test_tokens_without_compute_roles_warn(mode: str, warns: bool) -> None:
    """Nothing is denied to a role nobody named: where a token is to be the only way, that is said."""
    stack = stacks.stack()
    stacks.session_role(stack, minting=MODES[mode](stack))
    assert any("no compute role is named" in text for text in _warnings(stack)) == warns


@pytest.mark.parametrize("mode", ["credential broker", "web identity"])
def test_a_compute_role_named_later_takes_the_warning_back(mode: str) -> None:
    """`deny_tenant_data_to` names one as well; that of another session role stays."""
    stack = stacks.stack()
    session = stacks.session_role(stack, minting=MODES[mode](stack))
    session.deny_tenant_data_to(stacks.role(stack))
    assert not any("no compute role is named" in text for text in _warnings(stack))
