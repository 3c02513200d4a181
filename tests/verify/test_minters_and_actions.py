"""Who may make sessions besides the broker, how a token's session is named, and what a compute role may not do."""

from typing import Any

import pytest

from session_scoping.verify import Status
from tests.support.verify.corpus import results_of
from tests.support.verify.mutations import Template, edit, trust
from tests.support.verify.plain_template import allow, arn, plain_template, policy, sub
from tests.verify.test_by_hand import variant

ON_TABLE = ("ReadDataForReplication", "WriteDataForReplication", "UpdateKinesisStreamingDestination", "SomethingNew")
IN_BUCKET = ("DeleteObjectTagging", "DeleteObjectVersionTagging", "GetObjectRetention", "UpdateObjectEncryption")
OF_IAM = (
    "AddUserToGroup", "AttachGroupPolicy", "AttachUserPolicy", "CreateAccessKey", "CreateLoginProfile", "CreateRole",
    "CreateUser", "PutGroupPolicy", "PutUserPolicy", "UpdateLoginProfile", "UpdateOpenIDConnectProviderThumbprint",
    "*User*",
)  # fmt: skip
FORBIDDEN = [
    *((f"dynamodb:{action}", arn("Table")) for action in ON_TABLE),
    *((f"s3:{action}", sub("${Bucket.Arn}/*")) for action in IN_BUCKET),
    *((f"iam:{action}", "*") for action in OF_IAM),
    ("s3:PutBucketTagging", arn("Bucket")),
    ("s3:CreateJob", "*"),
    ("s3:GetDataAccess", "arn:aws:s3:*:111122223333:access-grants/default"),
    ("s3:GetObject", "arn:aws:s3:us-east-1:111122223333:accesspoint/*"),
    ("s3:GetObject", "arn:aws:s3:us-east-1:111122223333:access*"),
    ("s3:GetObject", "arn:aws:s3:us-east-1:111122223333:*"),
    ("s3:PutAccessPointPolicy", "arn:aws:s3:us-east-1:111122223333:accesspoint/*"),
    ("s3:CreateJob", "arn:aws:s3*"),
]
HARMLESS = [
    ("dynamodb:DescribeTable", arn("Table")),
    ("s3:GetBucketLocation", arn("Bucket")),
    ("s3:GetLifecycleConfiguration", arn("Bucket")),
    ("s3:*", "arn:aws:s3:::elsewhere/*"),
    ("dynamodb:SomethingNew", "arn:aws:dynamodb:us-east-1:111122223333:table/another"),
    ("iam:GetRole", "*"),
]


def granted(action: str, resource: Any) -> Status:
    """Return what is said of a compute role with one grant more."""
    extra = policy("Compute", allow(action, resource))
    changed = edit(plain_template(), "grant", lambda t: t["Resources"].update(Extra=extra))
    (result,) = results_of(changed.template, "compute-isolation")
    return result.status


@pytest.mark.parametrize(("action", "resource"), FORBIDDEN, ids=lambda value: str(value)[:40])
def test_a_compute_role_may_not_reach_tenant_data_roundabout(action: str, resource: Any) -> None:
    """By an action no list has, by jobs and access points, or by making itself another principal."""
    assert granted(action, resource) is Status.VIOLATED


@pytest.mark.parametrize(("action", "resource"), HARMLESS, ids=lambda value: str(value)[:40])
def test_what_only_describes_or_lies_elsewhere_is_harmless(action: str, resource: Any) -> None:
    """Descriptions hold no rows, and other buckets no tenants."""
    assert granted(action, resource) is Status.PROVED


@pytest.mark.parametrize("options", [{}, {"compute_roles": ("Compute",)}])
def test_a_role_that_a_compute_role_may_assume_counts_when_it_is_named_too(options: dict[str, Any]) -> None:
    """Saying which roles agent code runs with never makes the proof weaker than saying nothing."""

    def chained(template: Template) -> None:
        trusting = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": arn("Compute")}}
        document = {"Version": "2012-10-17", "Statement": [trusting]}
        role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}
        template["Resources"] |= {"Data": role, "Extra": policy("Data", allow("dynamodb:Scan", arn("Table")))}

    changed = edit(plain_template(), "chained", chained).template
    assert Status.VIOLATED in {result.status for result in results_of(changed, "compute-isolation", **options)}


@pytest.mark.parametrize("pattern", ["access*", "*"])
def test_a_session_s_objects_are_not_reached_through_any_access_point(pattern: str) -> None:
    """A wildcard that covers access points covers every bucket behind them."""
    extra = policy("Session", allow("s3:GetObject", f"arn:aws:s3:us-east-1:111122223333:{pattern}"))
    changed = edit(plain_template(), "grant", lambda t: t["Resources"].update(Extra=extra)).template
    assert {result.status for result in results_of(changed, "allowed-actions")} != {Status.PROVED}


@pytest.mark.parametrize("mode", ["credentialBroker", "webIdentity"])
@pytest.mark.parametrize("change", ["{}IfExists", "ForAllValues:{}", "dropped"])
def test_a_token_s_session_without_a_name_is_found(mode: str, change: str) -> None:
    """A condition that a missing source identity fulfils demands none, although it speaks of it."""

    def weaken(template: Template) -> None:
        for statement in trust(template):
            for operator, keys in list(statement["Condition"].items()):
                for key in [key for key in keys if key.lower() == "sts:sourceidentity"]:
                    value = keys.pop(key)
                    if operator not in {"Null", "dropped"} and change != "dropped":
                        statement["Condition"].setdefault(change.format(operator), {})[key] = value

    assert [result.status for result in results_of(variant(mode), "token-minting")] == [Status.PROVED]
    changed = edit(variant(mode), "name", weaken).template
    assert [result.status for result in results_of(changed, "token-minting")] == [Status.VIOLATED]


def with_denies(*ways: str, **more: Any) -> Template:
    """Return the plain template with slashes kept out by Denies of the trust policy, not by its Allow of some ways."""

    def change(template: Template) -> None:
        statements = template["Resources"]["Session"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        block = statements[0]["Condition"].pop("StringNotLike")
        statements[0]["Action"] = [*statements[0]["Action"], *ways]
        for key, values in block.items():
            deny = {
                "Effect": "Deny",
                "Action": "sts:TagSession",
                "Principal": "*",
                "Condition": {"StringLike": {key: values}},
            }
            statements.append({**deny, **more})

    return edit(plain_template(), "denies", change).template


def test_slashes_may_be_kept_out_by_denies_of_the_trust_policy() -> None:
    """A Deny for everybody holds for every session, whichever statement lets it in; so does one of the only way in."""
    for denies in (with_denies(), with_denies(Action="sts:AssumeRole")):
        assert {result.status for result in results_of(denies, "object-isolation")} == {Status.PROVED}


@pytest.mark.parametrize(
    ("ways", "more"),
    [
        ((), {"Principal": {"AWS": "arn:aws:iam::111122223333:role/somebody"}}),
        (("sts:AssumeRoleWithWebIdentity",), {"Action": "sts:AssumeRole"}),
        (("sts:AssumeRoleWith*",), {"Action": ["sts:AssumeRole", "sts:AssumeRoleWithSAML"]}),
        (
            (),
            {"Condition": {"StringLike": {"aws:RequestTag/user_id": "*/*"}, "Bool": {"aws:SecureTransport": "false"}}},
        ),
    ],
)
def test_a_deny_that_may_not_apply_keeps_nothing_out(ways: tuple[str, ...], more: dict[str, Any]) -> None:
    """One for somebody, for one way in of several, or under a further condition."""
    assert {result.status for result in results_of(with_denies(*ways, **more), "object-isolation")} != {Status.PROVED}


def minted_by(principal: Any) -> Template:
    """Return the reference stack with a broker, whose session role lets somebody else in too."""

    def change(template: Template) -> None:
        first = trust(template)[0]
        trust(template).append({**first, "Principal": {"AWS": principal}})

    return edit(variant("orchestrator"), "minter", change).template


@pytest.mark.parametrize("who", ["role/attacker", "user/bob"])
def test_a_minter_of_another_account_is_unknown_until_it_is_trusted(who: str) -> None:
    """Whether agent code runs with it, no template says."""
    principal = f"arn:aws:iam::444455556666:{who}"
    template = minted_by(principal)
    statuses = {result.status for result in results_of(template, "compute-isolation")}
    assert Status.UNKNOWN in statuses
    trusted = results_of(template, "compute-isolation", trusted=(principal,))
    assert {result.status for result in trusted} == {Status.PROVED}


def test_a_broker_of_the_own_account_is_taken_at_the_guards_word() -> None:
    """An imported orchestrator is such a one; it is listed among the assumptions."""
    template = minted_by(sub("arn:${AWS::Partition}:iam::${AWS::AccountId}:role/orchestrator"))
    assert {result.status for result in results_of(template, "compute-isolation")} == {Status.PROVED}
