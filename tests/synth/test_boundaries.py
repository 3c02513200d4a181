"""The constructs' limits from both sides: the last value that fits and the first that does not."""

from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest

from session_scoping import (
    ComputeBackend,
    Minting,
    Models,
    QuotaExceededError,
    ScopedComputeRole,
    SessionScopingError,
    TenantObjects,
    ToolScopedRole,
    VaultProvider,
)
from session_scoping.constructs.attribution.callers import too_large
from session_scoping.constructs.cdk.documents import Section, document_of, pack
from session_scoping.constructs.cdk.policy_series import PolicySeries, check_attachments, count_attached
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.statements import allow
from session_scoping.constructs.data.tenant_data import TenantData
from session_scoping.constructs.session.chaining import ChainingGuard
from session_scoping.constructs.session.guards import chaining_sections
from session_scoping.constructs.session.trust_checks import trust_too_large
from tests.support import stacks
from tests.synth.test_token_minting import AUDIENCE, ISSUER, broker, issuer, provider

REGIONAL = "arn:aws:{}:us-east-1:{}:{}"


def agentcore(resource: str, account: str = "111122223333") -> str:
    """Return the ARN of a resource of AgentCore."""
    return REGIONAL.format("bedrock-agentcore", account, resource)


def compute(**options: Any) -> ScopedComputeRole:
    """Return a compute role in a stack of its own."""
    return ScopedComputeRole(stacks.stack(), "Agent", **{"backend": ComputeBackend.AGENTCORE, **options})


def tool(name: str) -> ToolScopedRole:
    """Return the role of a tool with this name."""
    stack = stacks.stack()
    session = stacks.session_role(stack, transitive_tag_keys=("user_id", "repo", "task_id"))
    return ToolScopedRole(stack, "Tool", session_role=session, tool=name)


def secret(suffix: str = "AbCdEf", account: str = "111122223333") -> ScopedComputeRole:
    """Return a compute role that reads a secret of this ARN."""
    return compute(secrets=[REGIONAL.format("secretsmanager", account, f"secret:github-{suffix}")])


def federated(seconds: int) -> Minting:
    """Return minting by web identity with sessions of this length."""
    longest = cdk.Duration.seconds(seconds)
    return Minting.by_web_identity(provider(stacks.stack()), issuer=ISSUER, audience=AUDIENCE, max_session=longest)


Make = Callable[[int], object]
LIMITS: dict[str, tuple[Make, int, int | None]] = {
    # IAM API_CreateRole, MaxSessionDuration.
    "seconds of a session by web identity": (federated, 3600, 43_200),
    "exchanges at once": (lambda n: broker(stacks.stack(), reserved_concurrency=n), 1, None),
    # AgentCore, CreateAgentRuntime.
    "characters of a runtime's name": (lambda n: compute(runtime_name="r" * n), 1, 48),
    "digits of a runtime's account": (lambda n: compute(runtime_arn=agentcore("runtime/a", "1" * n)), 12, 12),
    "digits of a memory's account": (lambda n: compute(memory=agentcore("memory/a", "1" * n)), 12, 12),
    # Secrets Manager appends exactly six characters.
    "characters behind a secret's name": (lambda n: secret("x" * n), 6, 6),
    "digits of a secret's account": (lambda n: secret(account="1" * n), 12, 12),
    "characters of a tool's name": (lambda n: tool("t" * n), 1, 64),
    # It begins the condition keys of a trust policy.
    "characters of an issuer's host": (
        lambda n: issuer(stacks.stack(), domain_name=f"{'h' * (n - 3)}.io"),
        4,
        200,
    ),
    "characters of a host's last part": (lambda n: issuer(stacks.stack(), domain_name=f"tokens.{'x' * n}"), 2, None),
    "digits of a profile's account": (
        lambda n: Models.application_profile(
            REGIONAL.format("bedrock", "1" * n, "application-inference-profile/a"), ["anthropic.claude-sonnet-4-6"]
        ),
        12,
        12,
    ),
    "parts of a model's version": (lambda n: Models.in_region([f"anthropic.claude{':0' * n}"]), 0, 2),
    # Service authorization reference, list_amazonbedrockagentcore.
    "characters of a provider's name": (
        lambda n: VaultProvider.oauth2(agentcore(f"token-vault/default/oauth2credentialprovider/{'p' * n}")),
        1,
        128,
    ),
    "characters of an API key provider's name": (
        lambda n: VaultProvider.api_key(agentcore(f"token-vault/default/apikeycredentialprovider/{'p' * n}")),
        1,
        128,
    ),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_kept_from_both_sides(name: str) -> None:
    """What just fits is taken, and one more or one less is refused."""
    make, least, most = LIMITS[name]
    assert make(least)
    assert make(most if most is not None else least + 1)
    for outside in (least - 1, least - 1 if most is None else most + 1):
        if outside >= 0:
            with pytest.raises(SessionScopingError):
                make(outside)


# --- quotas of IAM: reference_iam-quotas ------------------------------------------------------------------------------


# A statement is measured with the comma after it, which the last one of a document goes without.
AROUND = len('{"Version":"2012-10-17","Statement":[]}') - len(",")


def measured(length: int) -> int:
    """Return the number of documents that a section of two items fills, if one document of both has this length."""
    section = Section(["a", "b"], lambda items: [{**allow("S", ["s3:GetObject"], list(items))}])
    sizes = {1: 1, 2: length - AROUND}
    return len(pack([section], lambda statements: sizes[len(statements[0]["Resource"])], "policy"))


def test_a_managed_policy_is_filled_to_its_last_character() -> None:
    """6,144 characters are one document, and one more makes two."""
    assert (measured(6144), measured(6145)) == (1, 2)


def test_what_is_too_large_alone_is_refused() -> None:
    """A piece that cannot be cut may have 6,144 characters."""
    whole = Section.whole(allow("S", ["s3:GetObject"], ["*"]))
    assert pack([whole], lambda _: 6144 - AROUND, "policy")
    with pytest.raises(QuotaExceededError, match="got 6145 characters, expected at most 6144"):
        pack([whole], lambda _: 6145 - AROUND, "policy")


@pytest.mark.parametrize("error_of", [too_large, trust_too_large])
@pytest.mark.parametrize(("left", "refused"), [(0, False), (-1, True)])
def test_a_trust_policy_may_have_2048_characters(
    error_of: Callable[[Any, PolicySizer], str | None], left: int, refused: bool
) -> None:
    """The quota that nobody needs to have raised."""
    empty = {"Version": "2012-10-17", "Statement": [{"Sid": ""}]}
    sizer = PolicySizer("Stack")
    document = {**empty, "Statement": [{"Sid": "x" * (2048 - sizer.document(empty) - left)}]}
    found = error_of(document, sizer)
    assert (found is not None) == refused
    assert found is None or "got 2049 characters, expected at most 2048" in found


def test_a_role_is_given_ten_policies() -> None:
    """IAM attaches ten, by whichever construct."""
    role = stacks.role(stacks.stack())
    for _ in range(10):
        count_attached([role])
    with pytest.raises(QuotaExceededError, match="got 11, expected at most 10"):
        count_attached([role])


def test_two_of_them_are_left_for_the_role_s_owner() -> None:
    """A session role fills eight, and the ninth is refused."""
    stack = stacks.stack()
    series = PolicySeries(stack, "P", StackContext.of(stack), PolicySizer.at(StackContext.of(stack)))
    role = stacks.role(stack)
    for number in range(8):
        series.write([Section.whole(allow(f"S{number}", ["s3:GetObject"], ["*"]))], [role])
    check_attachments(role, series.policies)
    series.write([Section.whole(allow("S9", ["s3:GetObject"], ["*"]))], [role])
    with pytest.raises(QuotaExceededError, match="got 9, expected at most 8"):
        check_attachments(role, series.policies)


@pytest.mark.parametrize(("size", "errors"), [(6144, 0), (6145, 1)])
def test_a_policy_of_the_finished_tree_may_have_6144_characters(
    size: int, errors: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that others gave later can make a policy longer than it was when it was packed."""
    stack, sizer = stacks.stack(), PolicySizer("Stack")
    role = stacks.role(stack)
    series = PolicySeries(stack, "P", StackContext.of(stack), sizer)
    series.write(chaining_sections(), [role])
    chaining = ChainingGuard(stack, series, role, sizer)
    chaining.let_through("arn:aws:iam::111122223333:role/tool")
    monkeypatch.setattr(PolicySizer, "document", lambda *_: size)
    for (check,) in (series.finished(), chaining.finished()):
        found = list(check.errors(document_of([allow("S", ["s3:GetObject"], ["arn:aws:s3:::bucket/key"])])))
        assert len(found) == errors
        assert all("got 6145 characters, expected at most 6144" in error for error in found)


# --- what CloudFormation renders --------------------------------------------------------------------------------------

HERE = "arn:aws-us-gov:bedrock-agentcore:ap-southeast-1:111122223333:"
IDENTITY = f"{HERE}workload-identity-directory/default/workload-identity/"
RENDERED: dict[str, tuple[Any, str]] = {
    "the partition": ({"Ref": "AWS::Partition"}, "aws-us-gov"),
    "the Region": ({"Ref": "AWS::Region"}, "ap-southeast-1"),
    "the account": ({"Ref": "AWS::AccountId"}, "111122223333"),
    "the URL suffix": ({"Ref": "AWS::URLSuffix"}, "amazonaws.com.cn"),
    "a stack's name": ({"Ref": "AWS::StackName"}, "s" * 128),
    "a table's ARN": (
        {"Fn::GetAtt": ["Table1234", "Arn"]},
        "arn:aws-us-gov:dynamodb:ap-southeast-1:111122223333:table/Stack-Table1234-1A2B3C4D5E6F7",
    ),
    "a table's name": ({"Ref": "Table1234"}, "Stack-Table1234-1A2B3C4D5E6F7"),
    "a bucket's ARN": ({"Fn::GetAtt": ["Bucket", "Arn"]}, "arn:aws-us-gov:s3:::a-bucket"),
    "a provider's ARN": (
        {"Fn::GetAtt": ["Provider", "CredentialProviderArn"]},
        f"{HERE}token-vault/default/oauth2credentialprovider/Stack-Provider-1A2B3C4D5E6F7",
    ),
    "an identity's ARN": (
        {"Fn::GetAtt": ["Identity", "WorkloadIdentityArn"]},
        f"{IDENTITY}Stack-Identity-1A2B3C4D5E6F7",
    ),
    "a runtime's identity": (
        {"Fn::GetAtt": ["Runtime", "WorkloadIdentityDetails.WorkloadIdentityArn"]},
        f"{IDENTITY}Stack-Runtime-1A2B3C4D5E6F7",
    ),
    "text put together": ({"Fn::Join": ["/", ["a", {"Ref": "AWS::AccountId"}, "b"]]}, "a/111122223333/b"),
    "no text at all": ({"Fn::Join": ["/", []]}, ""),
    "one piece of text": ({"Fn::Join": ["/", ["a"]]}, "a"),
    "an exported ARN": (
        {"Fn::ImportValue": "Another:ExportsOutputFnGetAttTasks1234ABCDArn1234ABCD"},
        "arn:aws-us-gov:dynamodb:ap-southeast-1:111122223333:table/Another-Tasks1234ABCD-1A2B3C4D5E6F7",
    ),
    "an exported name": (
        {"Fn::GetStackOutput": {"StackName": "Another", "OutputName": "PublishOutputRefTasks1234ABCD1234ABCD"}},
        "Another-Tasks1234ABCD-1A2B3C4D5E6F7",
    ),
}


@pytest.mark.parametrize("name", RENDERED)
def test_what_is_not_known_yet_counts_at_its_longest(name: str) -> None:
    """A value of a reference has the length of the longest that CloudFormation makes of it, no more and no less."""
    value, rendered = RENDERED[name]
    assert PolicySizer("Stack", {"Bucket": len("a-bucket")}, {"Bucket"}).length(value) == len(rendered)


def test_a_parameter_of_a_nested_stack_counts_as_what_it_hands_in() -> None:
    """The CDK names it after what it refers to, and an ARN has its beginning as well."""
    sizer, prefix = PolicySizer("Stack"), len("arn:aws-us-gov:dynamodb:ap-southeast-1:111122223333:table/")
    name, arn = "referencetoParentTable1234Ref", "referencetoParentTable1234Arn"
    assert sizer.length({"Ref": name}) == len(name)
    assert sizer.length({"Ref": arn}) == len(arn) + prefix


def test_a_value_of_another_kind_counts_as_an_arn() -> None:
    """What the sizer does not know is taken for the longest that usually stands in a policy."""
    prefix = len("arn:aws-us-gov:dynamodb:ap-southeast-1:111122223333:table/")
    assert PolicySizer("Stack").length({"Fn::Sub": "${Table}"}) == prefix + 64
    assert PolicySizer("Stack").length({"Fn::ImportValue": "Own"}) == prefix + 64 + len("Own")


def test_the_arn_of_a_bucket_of_this_stack_counts_as_one() -> None:
    """It has neither Region nor account, which another ARN is counted with."""
    stack = stacks.stack()
    context, sizer, bucket = StackContext.of(stack), PolicySizer("Stack"), stacks.bucket(stack)
    data = TenantData.bind(context, ["task_id"], [], [TenantObjects(bucket, ["a/{task_id}/"], "get")])
    data.register_names(sizer)
    assert list(sizer.buckets) == [stack.resolve(bucket.bucket_name)["Ref"]]


def test_a_document_counts_without_white_space() -> None:
    """IAM counts every character of the JSON but white space, and so does the sizer."""
    document = document_of([{**allow("S", ["s3:GetObject", "s3:PutObject"], ["*"]), "Condition": {"N": {"a": 1}}}])
    text = '{"Version":"2012-10-17","Statement":[{"Sid":"S","Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],'
    text += '"Resource":["*"],"Condition":{"N":{"a":1}}}]}'
    assert PolicySizer("Stack").document(document) == len(text)
    assert PolicySizer("Stack").document({"Ref": "AWS::AccountId"}) == len('"111122223333"')
    assert PolicySizer("Stack").document([]) == len("[]")
    assert PolicySizer("Stack").document({}) == len("{}")


def test_a_context_remembers_what_text_resolved_to() -> None:
    """A token is looked up, and text without one is itself."""
    stack = stacks.stack()
    context, arn = StackContext.of(stack), stacks.role(stack).role_arn
    assert context.resolve([arn]) == []
    assert context.resolved_value(arn) == {"Fn::GetAtt": [stacks.ref(stacks.template(stack), "Compute"), "Arn"]}
    assert context.resolved_value("arn:aws:iam::111122223333:role/agent") == "arn:aws:iam::111122223333:role/agent"
