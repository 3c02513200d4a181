"""SessionBrokerRole: whole statements, both halves, and what is refused."""

from collections import deque
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from cdk_nag import AwsSolutionsChecks

from session_scoping import (
    ComputeBackend,
    InvalidInputError,
    Minting,
    Models,
    QuotaExceededError,
    Revocation,
    ScopedComputeRole,
    SessionBrokerRole,
    SessionScopingError,
    WebIdentity,
    WorkloadBinding,
)
from tests.support import stacks

ISSUER = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
SUBJECT = "system:serviceaccount:agents:runtime"
SONNET = "anthropic.claude-sonnet-4-6"
SET = {"StringLike": {"sts:SourceIdentity": "agent=acme=?*"}, "StringNotLike": {"sts:SourceIdentity": "agent=acme=*=*"}}
CARRIED = {
    "StringLike": {"aws:SourceIdentity": "agent=acme=?*"},
    "StringNotLike": {"aws:SourceIdentity": "agent=acme=*=*"},
}
POD_TAGS = [
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
]
TAGGED = {"ForAllValues:StringEquals": {"aws:TagKeys": POD_TAGS}, "Null": {"aws:TagKeys": "false"}}


def broker(scope: cdk.Stack, **options: Any) -> SessionBrokerRole:
    """Return the broker of tenant `acme`, called by one dispatcher unless the options say otherwise."""
    if "callers" not in options:
        options["callers"] = [stacks.role(scope, "Dispatcher")]
    return SessionBrokerRole(scope, "Broker", **{"tenant": "acme", **options})


def attribute(of: dict[str, Any], prefix: str, name: str = "Arn") -> dict[str, Any]:
    """Return a Fn::GetAtt."""
    return {"Fn::GetAtt": [stacks.ref(of, prefix), name]}


@pytest.mark.parametrize("flags", stacks.FLAG_SETS)
def test_trust_demands_a_source_identity_of_the_tenant(flags: str) -> None:
    """One statement admits the caller, with both actions, and only under the tenant's form."""
    stack = stacks.stack(flags)
    broker(stack)
    template = stacks.template(stack)
    assert stacks.trust(template, "BrokerRole") == [
        {
            "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
            "Condition": SET,
            "Effect": "Allow",
            "Principal": {"AWS": attribute(template, "Dispatcher")},
        }
    ]


def test_the_caller_gets_exactly_this_role_under_the_same_form() -> None:
    """The other half: assuming and setting the identity, on one ARN."""
    stack = stacks.stack()
    broker(stack)
    template = stacks.template(stack)
    assert stacks.policy(template, "BrokerCallers") == [
        {
            "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"],
            "Condition": SET,
            "Effect": "Allow",
            "Resource": attribute(template, "BrokerRole"),
            "Sid": "AssumeWithSourceIdentity",
        }
    ]


def test_guards_deny_everything_unattributed_and_every_way_onward() -> None:
    """Three Denies, none of which an Allow added later can undo."""
    stack = stacks.stack()
    broker(stack)
    everything = {"Action": "*", "Effect": "Deny", "Resource": "*"}
    assert stacks.by_sid(stacks.policy(stacks.template(stack), "BrokerGuards")) == {
        "DenyUnattributed": {**everything, "Condition": {"StringNotLike": {"aws:SourceIdentity": "agent=acme=?*"}}},
        "DenyAmbiguous": {**everything, "Condition": {"StringLike": {"aws:SourceIdentity": "agent=acme=*=*"}}},
        "DenyChaining": {
            "Action": [
                "sts:A*",
                "sts:GetD*",
                "sts:GetF*",
                "sts:GetS*",
                "sts:GetW*",
                "sts:S*",
                "sts:T*",
            ],
            "Effect": "Deny",
            "Resource": "*",
        },
    }


def test_without_models_the_role_is_granted_nothing() -> None:
    """Nothing is open that was not asked for."""
    stack = stacks.stack()
    broker(stack)
    template = stacks.template(stack)
    assert not [key for key in template["Resources"] if key.startswith("BrokerPermissions")]


def test_models_are_granted_by_arn_to_attributed_sessions() -> None:
    """Each Allow demands the source identity itself, in addition to the guards."""
    stack = stacks.stack()
    broker(stack, models=Models.in_region([SONNET]))
    assert stacks.policy(stacks.template(stack), "BrokerPermissions") == [
        {
            "Action": ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
            "Condition": CARRIED,
            "Effect": "Allow",
            "Resource": stacks.arn("bedrock", f"foundation-model/{SONNET}", account=""),
            "Sid": "RegionalModels",
        }
    ]


def test_what_is_given_is_attached_and_nothing_else() -> None:
    """A managed policy of the adopter's stands on the role as it is."""
    stack = stacks.stack()
    statement = iam.PolicyStatement(actions=["logs:PutLogEvents"], resources=["*"])
    given = iam.ManagedPolicy(stack, "Given", statements=[statement])
    broker(stack, managed_policies=[given])
    template = stacks.template(stack)
    role = template["Resources"][stacks.ref(template, "BrokerRole")]["Properties"]
    assert role["ManagedPolicyArns"] == [{"Ref": stacks.ref(template, "Given")}]


def test_pod_tags_are_admitted_by_name_and_only_when_asked_for() -> None:
    """A pod's transitive tags come along in a statement of their own, on both sides."""
    stack = stacks.stack()
    broker(stack, pod_identity=True)
    template = stacks.template(stack)
    tagging = {"Action": "sts:TagSession", "Condition": TAGGED, "Effect": "Allow"}
    assert stacks.trust(template, "BrokerRole")[1] == {
        **tagging,
        "Principal": {"AWS": attribute(template, "Dispatcher")},
    }
    assert stacks.by_sid(stacks.policy(template, "BrokerCallers"))["PassPodTags"] == {
        **tagging,
        "Resource": attribute(template, "BrokerRole"),
    }


def test_a_web_identity_is_pinned_to_audience_and_subject() -> None:
    """The token's own claim must carry the identity; SetSourceIdentity knows no token, so it has its own statement."""
    stack = stacks.stack()
    broker(stack, callers=[WebIdentity(ISSUER, SUBJECT)])
    provider = {"Federated": stacks.arn("iam", f"oidc-provider/{ISSUER}", region="")}
    provider["Federated"]["Fn::Join"][1][2] = ":iam::"
    token = {"StringEquals": {f"{ISSUER}:aud": "sts.amazonaws.com", f"{ISSUER}:sub": SUBJECT}}
    assert stacks.trust(stacks.template(stack), "BrokerRole") == [
        {
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {**SET, **token},
            "Effect": "Allow",
            "Principal": provider,
        },
        {"Action": "sts:SetSourceIdentity", "Condition": SET, "Effect": "Allow", "Principal": provider},
    ]


def test_with_web_identities_alone_no_role_may_assume_it() -> None:
    """There is no caller's policy, and `sts:AssumeRole` is nobody's."""
    stack = stacks.stack()
    broker(stack, callers=[WebIdentity(ISSUER, SUBJECT)])
    template = stacks.template(stack)
    assert not [key for key in template["Resources"] if key.startswith("BrokerCallers")]
    actions = [statement["Action"] for statement in stacks.trust(template, "BrokerRole")]
    assert "sts:AssumeRole" not in actions


def test_a_named_role_further_on_is_wired_on_both_sides() -> None:
    """Chaining stays denied but for that role, whose trust demands the identity that is set by then."""
    stack = stacks.stack()
    broker(stack, chain_to=[stacks.role(stack, "Next")])
    template = stacks.template(stack)
    onward = ["sts:AssumeRole", "sts:SetSourceIdentity"]
    here, there = attribute(template, "BrokerRole"), attribute(template, "Next")
    assert stacks.trust(template, "Next")[1] == {
        "Action": onward,
        "Condition": CARRIED,
        "Effect": "Allow",
        "Principal": {"AWS": here},
    }
    assert stacks.by_sid(stacks.policy(template, "BrokerPermissions"))["ChainTo"] == {
        "Action": onward,
        "Condition": CARRIED,
        "Effect": "Allow",
        "Resource": there,
    }
    guards = stacks.by_sid(stacks.policy(template, "BrokerGuards"))
    assert guards["DenyOtherRoles"] == {"Action": onward, "Effect": "Deny", "NotResource": there}
    left = guards["DenyChaining"]["Action"]
    assert not [pattern for pattern in left for action in onward if fnmatchcase(action, pattern)]


def test_an_imported_role_further_on_gets_its_statement_printed() -> None:
    """Its trust cannot be changed from here, so the statement is shown to its owner."""
    stack = stacks.stack()
    imported = iam.Role.from_role_arn(stack, "Far", "arn:aws:iam::444455556666:role/far")
    made = broker(stack, chain_to=[imported])
    (message,) = [entry.data for entry in made.node.metadata if "trust policy of" in str(entry.data)]
    assert "sts:SetSourceIdentity" in str(message)
    assert "aws:SourceIdentity" in str(message)


def test_a_revocation_by_time_ends_the_tenants_older_sessions() -> None:
    """The Deny of what was issued before stands with the guards, the Metadata says so, and the trust stays as it is."""
    stack = stacks.stack()
    broker(stack, restrictions=[Revocation.issued_before("2026-11-21T10:00:00Z")])
    template = stacks.template(stack)
    (deny,) = [one for one in stacks.policy(template, "BrokerGuards") if "DateLessThan" in one.get("Condition", {})]
    assert {key: value for key, value in deny.items() if key != "Sid"} == {
        "Action": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2026-11-21T10:00:00Z"}},
        "Effect": "Deny",
        "Resource": "*",
    }
    metadata = template["Resources"][stacks.ref(template, "BrokerRole")]["Metadata"]
    assert metadata["session-scoping:revoked"] == ['{"before": "2026-11-21T10:00:00Z"}']
    assert [one["Condition"] for one in stacks.trust(template, "BrokerRole")] == [SET]


def test_the_arn_is_published_and_handed_to_the_dispatcher() -> None:
    """The parameter's default name holds the tenant; the environment names the variable of the contract."""
    stack = stacks.stack()
    made = broker(stack)
    template = stacks.template(stack)
    (parameter,) = [one for one in template["Resources"].values() if one["Type"] == "AWS::SSM::Parameter"]
    assert parameter["Properties"]["Name"] == "/session-scoping/acme/session-broker-role-arn"
    assert parameter["Properties"]["Value"] == attribute(template, "BrokerRole")
    assert stack.resolve(dict(made.environment)) == {"AGENT_SESSION_BROKER_ROLE_ARN": attribute(template, "BrokerRole")}


def test_a_caller_admitted_late_gets_both_halves() -> None:
    """A role that comes later is trusted under the same form, and its policy is the first caller's."""
    stack = stacks.stack("no-flags")
    made = broker(stack)
    made.admit(stacks.role(stack, "Late"))
    template = stacks.template(stack)
    first, late = stacks.trust(template, "BrokerRole")
    assert late == {**first, "Principal": {"AWS": attribute(template, "Late")}}
    (policy,) = [value for key, value in template["Resources"].items() if key.startswith("BrokerCallers")]
    assert policy["Properties"]["Roles"] == [
        {"Ref": stacks.ref(template, "Dispatcher")},
        {"Ref": stacks.ref(template, "Late")},
    ]


def test_a_role_that_cannot_be_changed_is_refused_or_gets_its_statement() -> None:
    """The half that would be missing is said, never dropped."""
    stack = stacks.stack()
    fixed = iam.Role.from_role_arn(stack, "Fixed", "arn:aws:iam::111122223333:role/fixed", mutable=False)
    made = broker(stack)
    with pytest.raises(InvalidInputError, match="cannot be changed from this stack"):
        made.admit(fixed)
    (statement,) = made.admit_trust_only(fixed)
    assert statement["Action"] == ["sts:AssumeRole", "sts:SetSourceIdentity"]
    principals = [one["Principal"]["AWS"] for one in stacks.trust(stacks.template(stack), "BrokerRole")]
    assert "arn:aws:iam::111122223333:role/fixed" in str(principals)


def test_a_scoped_compute_role_may_become_the_broker_and_no_other() -> None:
    """The Deny on all other roles leaves this one out, whichever construct is made first."""
    for first in ("session", "broker"):
        stack = stacks.stack()
        agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
        if first == "broker":
            broker(stack, callers=[agent])
        stacks.session_role(stack, minting=Minting.by_compute_roles(agent))
        if first == "session":
            broker(stack, callers=[agent])
        template = stacks.template(stack)
        (deny,) = stacks.policy(template, "SessionRolesGuard")
        assert attribute(template, "BrokerRole") in deny["NotResource"]
        assert attribute(template, "SessionRole") in deny["NotResource"]


def test_agent_code_becomes_no_broker_where_a_broker_mints() -> None:
    """Where agent code may become no role at all, it cannot be a caller either."""
    stack = stacks.stack()
    agent = ScopedComputeRole(stack, "Agent", backend=ComputeBackend.ECS)
    stacks.session_role(
        stack, minting=Minting.by_orchestrator(stacks.role(stack, "Orchestrator"), compute_roles=[agent])
    )
    with pytest.raises(InvalidInputError, match="would assume another role"):
        broker(stack, callers=[agent])


# --- permissions boundaries of callers ------------------------------------------------------------------------------


def bounded(stack: cdk.Stack, *statements: iam.PolicyStatement) -> iam.Role:
    """Return a caller with a boundary of these statements."""
    boundary = iam.ManagedPolicy(stack, "Boundary", statements=list(statements))
    service = iam.ServicePrincipal("lambda.amazonaws.com")
    return iam.Role(stack, "Bounded", assumed_by=service, permissions_boundary=boundary)


def allowing(*actions: str, **options: Any) -> iam.PolicyStatement:
    """Return an Allow of these actions."""
    return iam.PolicyStatement(actions=list(actions), resources=["*"], **options)


@pytest.mark.parametrize(
    "statements",
    [
        [allowing("sts:AssumeRole", "bedrock:*")],
        [allowing("*"), allowing("sts:SetSource*", effect=iam.Effect.DENY)],
        [iam.PolicyStatement(not_actions=["sts:SetSourceIdentity"], resources=["*"])],
    ],
)
def test_a_boundary_that_takes_the_source_identity_away_fails_synth(statements: list[iam.PolicyStatement]) -> None:
    """The caller could assume no session, which otherwise shows only when the first one is dispatched."""
    stack = stacks.stack()
    broker(stack, callers=[bounded(stack, *statements)])
    with pytest.raises(RuntimeError, match=r"Boundary` takes sts:SetSourceIdentity away from role `Small/Bounded`"):
        stacks.template(stack)


@pytest.mark.parametrize("action", ["*", "sts:*", "STS:Set*", "sts:SetSourceIdentity"])
def test_a_boundary_that_leaves_it_passes(action: str) -> None:
    """Compared by action, letter case aside; other statements and Denies of less than everything do not count."""
    stack = stacks.stack()
    denied = allowing("sts:SetSourceIdentity", effect=iam.Effect.DENY, conditions={"Bool": {"aws:x": "true"}})
    other_role = ["arn:aws:iam::111122223333:role/other"]
    narrow = iam.PolicyStatement(actions=["sts:*"], resources=other_role, effect=iam.Effect.DENY)
    first = allowing("s3:GetObject")
    broker(stack, callers=[bounded(stack, first, allowing(action, "sts:AssumeRole"), denied, narrow)])
    assert stacks.template(stack)


def test_a_boundary_of_another_app_is_warned_of() -> None:
    """Its document cannot be read here, so nothing is claimed about it."""
    stack = stacks.stack()
    boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "Elsewhere", "platform-boundary")
    role = iam.Role(
        stack, "Bounded", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), permissions_boundary=boundary
    )
    broker(stack, callers=[role])
    stacks.template(stack)
    assert "is not in this app" in str([entry.data for entry in role.node.metadata])


# --- what others do to it -------------------------------------------------------------------------------------------


def test_a_colleagues_loose_trust_statement_fails_synth() -> None:
    """A session no source identity names is not deployed."""
    stack = stacks.stack()
    policy = broker(stack).role.assume_role_policy
    assert policy is not None
    loose = iam.PolicyStatement(actions=["sts:AssumeRole"], principals=[iam.AccountRootPrincipal()])
    policy.add_statements(loose)
    with pytest.raises(RuntimeError, match="admits a session that no source identity names"):
        stacks.template(stack)


def test_too_many_callers_for_the_trust_policy_give_size_and_limit() -> None:
    """The trust policy holds 2,048 characters, and the error says what to do."""
    stack = stacks.stack()
    made = broker(stack)
    roles = [stacks.role(stack, f"Caller{number}") for number in range(40)]
    with pytest.raises(QuotaExceededError, match=r"trust policy is too large .* one dispatcher role"):
        deque(map(made.admit, roles), maxlen=0)


def test_cdk_nag_finds_nothing_that_is_not_accepted() -> None:
    """Models with wildcards in their Regions are acknowledged exactly, by the construct."""
    stack = stacks.stack()
    cdk.Validations.of(stack.node.root).add_plugins(AwsSolutionsChecks(stack.node.root))
    models = Models.profile("us", [SONNET]) + Models.profile("global", [SONNET])
    broker(stack, models=models, pod_identity=True, chain_to=[stacks.role(stack, "Next")])
    assert stacks.template(stack)


MISTAKES: dict[str, tuple[Callable[[cdk.Stack], object], str]] = {
    "no caller": (lambda s: broker(s, callers=[]), "nobody may assume the session broker: got no caller"),
    "caller by its ARN": (
        lambda s: broker(s, callers=["arn:aws:iam::1:role/a"]),
        "nor a web identity: got a str",
    ),
    "the same caller twice": (lambda s: broker(s, callers=2 * [stacks.role(s)]), "is admitted already"),
    "tenant with a separator": (lambda s: broker(s, tenant="a=b"), "tenant of a source identity is not legal"),
    "tenant that is a pattern": (lambda s: broker(s, tenant="*"), "tenant of a source identity is not legal"),
    "tenant known at deployment": (
        lambda s: broker(s, tenant=cdk.CfnParameter(s, "T").value_as_string),
        "tenant of a source identity is not legal",
    ),
    "tenant too long": (lambda s: broker(s, tenant="t" * 57), "leaves no room for a session"),
    "tenant SSM refuses": (lambda s: broker(s, tenant="a+b"), "SSM refuses the name"),
    "parameter without a slash": (lambda s: broker(s, ssm_parameter_name="arn"), "SSM refuses the name"),
    "model ids in place of Models": (lambda s: broker(s, models=[SONNET]), "`models` is not what"),
    "a pin without session tags": (
        lambda s: broker(s, restrictions=[WorkloadBinding(vpc="vpc-1", task_ip=True)]),
        "sessions are tied to an address they do not carry",
    ),
    "a revocation by a tag": (
        lambda s: broker(s, restrictions=[Revocation.of_sessions(task_id="T1")]),
        "fix: revoke by time: Revocation.issued_before(...)",
    ),
    "issuer with its scheme": (lambda _: WebIdentity(f"https://{ISSUER}", SUBJECT), "that is no issuer"),
    "issuer known at deployment": (
        lambda s: WebIdentity(cdk.CfnParameter(s, "I").value_as_string, SUBJECT),
        "that is no issuer",
    ),
    "every subject": (
        lambda _: WebIdentity(ISSUER, "system:serviceaccount:*"),
        "the subject of a web identity is not one",
    ),
    "no subject": (lambda _: WebIdentity(ISSUER, ""), "is not one subject"),
    "every audience": (lambda _: WebIdentity(ISSUER, SUBJECT, audience="*"), "the audience of a web identity is not"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake_is_refused_in_one_sentence(name: str) -> None:
    """Each message says what is wrong, what was got and expected, why it matters and how to mend it."""
    attempt, fault = MISTAKES[name]
    with pytest.raises(SessionScopingError) as caught:
        attempt(stacks.stack())
    message = str(caught.value)
    assert fault in message
    assert "\n" not in message
    assert "a=b" not in message


# --- environments -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1", "eu-west-1"])
def test_every_partition(region: str) -> None:
    """In a concrete environment the provider's ARN has the partition of its Region."""
    stack = stacks.stack(env=cdk.Environment(account="111122223333", region=region))
    broker(stack, callers=[WebIdentity(ISSUER, SUBJECT), stacks.role(stack)], models=Models.in_region([SONNET]))
    template = stacks.template(stack)
    partition = {"us-gov-west-1": "aws-us-gov", "cn-north-1": "aws-cn"}.get(region, "aws")
    text = str(stacks.trust(template, "BrokerRole"))
    assert f"arn:{partition}:iam::111122223333:oidc-provider" in text or "AWS::Partition" in text


def test_caller_in_another_stack_makes_no_cycle() -> None:
    """The broker's stack depends on the caller's, never the other way round."""
    app = cdk.App()
    callers, brokers = cdk.Stack(app, "Callers"), cdk.Stack(app, "Brokers")
    broker(brokers, callers=[stacks.role(callers, "Dispatcher")])
    assembly = app.synth()
    ours = {"Callers", "Brokers"}
    needs = {one.stack_name: {found.id for found in one.dependencies} & ours for one in assembly.stacks}
    assert needs == {"Callers": set(), "Brokers": {"Callers"}}
    (policy,) = [
        one["Properties"]
        for key, one in assembly.get_stack_by_name("Brokers").template["Resources"].items()
        if key.startswith("BrokerCallers")
    ]
    assert len(policy["Roles"]) == 1


def test_an_imported_caller_that_is_mutable_gets_its_policy() -> None:
    """A role of the same account can be changed, so both halves are made."""
    stack = stacks.stack(env=cdk.Environment(account="111122223333", region="eu-west-1"))
    caller = iam.Role.from_role_arn(stack, "Caller", "arn:aws:iam::111122223333:role/runtime")
    broker(stack, callers=[caller])
    template = stacks.template(stack)
    (policy,) = [one for key, one in template["Resources"].items() if key.startswith("BrokerCallers")]
    assert policy["Properties"]["Roles"] == ["runtime"]
