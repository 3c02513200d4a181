"""The prover where tokens decide: PROVED on the reference stack, VIOLATED on each weakening."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from session_scoping.verify import Status, verify
from tests.support.reference import synthesize_reference
from tests.support.verify.corpus import results_of
from tests.support.verify.mutations import session_role, trust, without_guards

Template = dict[str, Any]
Change = Callable[[Template], object]
FUNCTIONS = "session-scoping:minting-functions"
AUD, SUB = "tokens.example.com:aud", "tokens.example.com:sub"


def small_broker() -> Template:
    """Return a small stack with a credential broker and a compute role no runtime's name gives away."""
    from session_scoping import CredentialBroker, Minting, TaskTokenIssuer
    from tests.support import stacks

    stack = stacks.stack()
    tokens = TaskTokenIssuer(stack, "Tokens", domain_name="tokens.example.com", audience="sessions")
    broker = CredentialBroker(
        stack, "Broker", signing_key=tokens.signing_key, issuer=tokens.issuer, audience=tokens.audience
    )
    stacks.session_role(stack, minting=Minting.by_credential_broker(broker, compute_roles=[stacks.role(stack)]))
    return stacks.template(stack)


def small_web() -> Template:
    """Return a small stack where STS takes the tokens of a hosted issuer."""
    from aws_cdk import aws_certificatemanager as acm
    from aws_cdk import aws_route53 as route53

    from session_scoping import Minting, TaskTokenIssuer
    from tests.support import stacks

    stack = stacks.stack()
    arn = "arn:aws:acm:us-east-1:111122223333:certificate/1"
    tokens = TaskTokenIssuer(
        stack, "Tokens", domain_name="tokens.example.com", audience="sessions",
        certificate=acm.Certificate.from_certificate_arn(stack, "Certificate", arn),
        hosted_zone=route53.PublicHostedZone(stack, "Zone", zone_name="example.com"),
    )  # fmt: skip
    stacks.session_role(stack, minting=Minting.by_web_identity(tokens, compute_roles=[stacks.role(stack)]))
    return stacks.template(stack)


@pytest.fixture(scope="module")
def stacks() -> dict[str, Template]:
    """Both small stacks, synthesized once."""
    return {"broker": small_broker(), "web": small_web()}


def _id(template: Template, prefix: str, kind: str) -> str:
    (found,) = (k for k, r in template["Resources"].items() if r["Type"] == f"AWS::{kind}" and k[:-8] == prefix)
    return str(found)


def _arn(template: Template, prefix: str, kind: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [_id(template, prefix, kind), "Arn"]}


def _grant(action: str, prefix: str = "", kind: str = "", inside: str = "") -> Change:
    """Return a change that allows the compute role something, by an inline policy."""

    def change(template: Template) -> None:
        resource: Any = _arn(template, prefix, kind) if prefix else "*"
        if inside:
            resource = {"Fn::Join": ["", [resource, inside]]}
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": resource}]}
        role = template["Resources"][_id(template, "Compute", "IAM::Role")]["Properties"]
        role["Policies"] = [{"PolicyName": "more", "PolicyDocument": document}]

    return change


def _condition(place: int, operator: str, key: str) -> Change:
    return lambda template: trust(template)[place]["Condition"][operator].pop(key)


def _like(key: str, value: str) -> Change:
    def change(template: Template) -> None:
        conditions = trust(template)[0]["Condition"]
        conditions["StringEquals"].pop(key)
        conditions["StringLike"][key] = value

    return change


def _admit(action: str) -> Change:
    """Return a change that trusts the compute role, with all the conditions on tags."""

    def change(template: Template) -> None:
        added = copy.deepcopy(trust(template)[1])
        added |= {"Principal": {"AWS": _arn(template, "Compute", "IAM::Role")}, "Action": action}
        added["Condition"]["StringLike"]["sts:SourceIdentity"] = "?*"
        role = template["Resources"][session_role(template)]["Properties"]
        role["AssumeRolePolicyDocument"]["Statement"].append(added)

    return change


def _let_become(prefix: str) -> Change:
    """Return a change by which the compute role may become another role."""

    def change(template: Template) -> None:
        role = template["Resources"][_id(template, prefix, "IAM::Role")]["Properties"]
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole",
                     "Principal": {"AWS": _arn(template, "Compute", "IAM::Role")}}  # fmt: skip
        role["AssumeRolePolicyDocument"]["Statement"].append(statement)

    return change


def _metadata(template: Template) -> dict[str, Any]:
    metadata: dict[str, Any] = template["Resources"][session_role(template)]["Metadata"]
    return metadata


def _both(one: Change, other: Change) -> Change:
    return lambda template: (one(template), other(template))


TASK = ("StringLike", "aws:RequestTag/task_id")
KEY = ("TokensSigningKey", "KMS::Key")
WEAKENINGS: list[tuple[str, str, Change, str]] = [
    ("broker", "the compute role is trusted", _admit("sts:AssumeRole"), "token-minting"),
    ("broker", "the compute role may tag", _admit("sts:TagSession"), "token-minting"),
    ("broker", "a token is taken beside the broker", _admit("sts:AssumeRoleWithWebIdentity"), "token-minting"),
    ("broker", "no source identity", _condition(0, "StringLike", "sts:SourceIdentity"), "token-minting"),
    ("broker", "tagging under no condition", lambda t: trust(t)[1].pop("Condition"), "token-minting"),
    ("broker", "a tag may be missing", _both(_condition(0, *TASK), _condition(1, *TASK)), "session-tags"),
    ("broker", "the compute role signs", _grant("kms:Sign", *KEY), "token-minting"),
    ("broker", "the compute role opens the key", _grant("kms:*", *KEY), "token-minting"),
    ("broker", "it changes the code", _grant("lambda:UpdateFunctionCode", "BrokerFunction", "Lambda::Function"),
     "token-minting"),
    ("broker", "it changes any code", _grant("lambda:Update*"), "token-minting"),
    ("broker", "it takes revocations back", _grant("dynamodb:DeleteItem", "BrokerRevocations", "DynamoDB::Table"),
     "token-minting"),
    ("broker", "it becomes the broker", _let_become("BrokerRole"), "token-minting"),
    ("broker", "agent code runs with the broker's role", lambda t: _metadata(t)["session-scoping:compute-roles"].append(
        _arn(t, "BrokerRole", "IAM::Role")), "token-minting"),
    ("broker", "it changes the broker's role", _grant("iam:PutRolePolicy", "BrokerRole", "IAM::Role"), "token-minting"),
    ("broker", "it opens the session role's trust", _grant("iam:UpdateAssumeRolePolicy", "SessionRole", "IAM::Role"),
     "token-minting"),
    ("web", "it takes its own guards off", _grant("iam:Detach*"), "token-minting"),
    ("web", "no audience", _condition(0, "StringEquals", AUD), "session-tags"),
    ("web", "no subject", _condition(0, "StringEquals", SUB), "session-tags"),
    ("web", "any subject", _like(SUB, "*"), "session-tags"),
    ("web", "a pattern of audiences", _like(AUD, "sess*"), "session-tags"),
    ("web", "an empty audience", lambda t: trust(t)[0]["Condition"]["StringEquals"].update({AUD: ["sessions", ""]}),
     "session-tags"),
    ("web", "the role is assumed with conditions", _admit("sts:AssumeRole"), "token-minting"),
    ("web", "no source identity", _condition(0, "StringLike", "sts:SourceIdentity"), "token-minting"),
    ("web", "tagging under no condition", lambda t: trust(t)[1].pop("Condition"), "token-minting"),
    ("web", "the compute role signs", _grant("kms:Sign", *KEY), "token-minting"),
    ("web", "it writes the key set", _grant("s3:PutObject", "TokensHostingBucket", "S3::Bucket", "/*"),
     "token-minting"),
    ("web", "it serves another key set", _grant("cloudfront:UpdateDistribution"), "token-minting"),
    ("web", "the issuer's name leads elsewhere", _grant("route53:*"), "token-minting"),
    ("web", "it becomes the key set's writer", _let_become("TokensHostingWriterRole"), "token-minting"),
]  # fmt: skip


@pytest.mark.parametrize("mode", ["broker", "web"])
@pytest.mark.parametrize("guards", [True, False])
def test_both_modes_are_proved_with_and_without_their_guards(
    stacks: dict[str, Template], mode: str, guards: bool
) -> None:
    """Trust and Allows alone keep agent code from making a session, and so they do under the guards."""
    template = stacks[mode] if guards else without_guards(stacks[mode])
    report = verify(template)
    assert report.proved, [result.detail for result in report.failures()]
    assert [result.rule for result in report.results].count("token-minting") == 1


@pytest.mark.parametrize(
    ("mode", "change", "rule"), [(m, c, r) for m, _, c, r in WEAKENINGS], ids=[f"{m}: {n}" for m, n, _, _ in WEAKENINGS]
)
def test_each_weakening_is_violated(stacks: dict[str, Template], mode: str, change: Change, rule: str) -> None:
    """With the guards gone, whatever lets agent code in, or forge a token, is found and named."""
    template = copy.deepcopy(without_guards(stacks[mode]))
    change(template)
    (found,) = results_of(template, rule)
    assert found.status is Status.VIOLATED, found.detail


def test_the_guards_hold_what_a_colleague_grants(stacks: dict[str, Template]) -> None:
    """A whole service allowed to a compute role opens nothing that decides over tokens."""
    granted = {"broker": ("kms:*", "lambda:*", "dynamodb:*", "iam:*"), "web": ("iam:*", "cloudfront:*", "route53:*")}
    for mode, action in ((mode, action) for mode, actions in granted.items() for action in actions):
        template = copy.deepcopy(stacks[mode])
        _grant(action)(template)
        assert [one.status for one in results_of(template, "token-minting")] == [Status.PROVED], action


@pytest.mark.parametrize("mode", ["credentialBroker", "webIdentity"])
def test_a_tool_is_agent_code_too(mode: str) -> None:
    """What a colleague allows a tool forges no token under its guards, and is found without them."""
    template = synthesize_reference(minting=mode, tools="on")
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}
    tool = template["Resources"][_id(template, "AttachmentReaderToolRole", "IAM::Role")]["Properties"]
    tool["Policies"] = [{"PolicyName": "more", "PolicyDocument": document}]
    for guarded, status in ((template, Status.PROVED), (without_guards(template), Status.VIOLATED)):
        (found,) = results_of(guarded, "token-minting")
        assert found.status is status, found.detail
    assert "AttachmentReaderTool" in found.detail


def test_a_promised_function_that_is_not_there_is_unknown(stacks: dict[str, Template]) -> None:
    """The broker's function is promised by its logical id; a name nothing has proves nothing about the function."""
    template = copy.deepcopy(stacks["broker"])
    assert _metadata(template)["session-scoping:minting-functions"] == [
        _id(template, "BrokerFunction", "Lambda::Function")
    ]
    _metadata(template)["session-scoping:minting-functions"] = ["Elsewhere"]
    found = {result.rule: result.status for result in verify(template).failures()}
    # Agents invoke the function, and nothing says any more that it is the broker.
    assert found == {"token-minting": Status.UNKNOWN, "compute-isolation": Status.UNKNOWN}


def test_an_issuer_known_only_at_deployment_is_unknown(stacks: dict[str, Template]) -> None:
    """A provider's ARN from a parameter says nothing about whose tokens are taken."""
    template = copy.deepcopy(stacks["web"])
    template["Parameters"] = {"Provider": {"Type": "String"}}
    for statement in trust(template):
        statement["Principal"] = {"Federated": {"Ref": "Provider"}}
    found = {result.rule: result.status for result in verify(template).failures()}
    assert found["session-tags"] is Status.UNKNOWN


def test_a_broker_whose_function_nothing_names_is_unknown(stacks: dict[str, Template]) -> None:
    """Who may change code that nobody names cannot be asked, so nothing is proved."""
    changed = copy.deepcopy(stacks["broker"])
    named = [r["Metadata"] for r in changed["Resources"].values() if FUNCTIONS in r.get("Metadata", {})]
    assert len(named) == 1
    del named[0][FUNCTIONS]
    (result,) = results_of(changed, "token-minting")
    assert result.status is Status.UNKNOWN
    assert "function" in result.detail
