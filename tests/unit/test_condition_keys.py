"""Which condition keys a request carries, with how many values, and who sets them."""

import pytest

from session_scoping.aws.keys import Presence, Setter, carried, condition_keys, global_keys

NEVER, OPTIONAL, ALWAYS = Presence.NEVER, Presence.OPTIONAL, Presence.ALWAYS


@pytest.mark.parametrize(
    ("action", "key", "presence"),
    [
        # The caller writes these wherever an action can carry tags, not in sts:AssumeRole alone.
        ("iam:CreateRole", "aws:RequestTag/cost", OPTIONAL),
        ("iam:CreateUser", "aws:TagKeys", OPTIONAL),
        ("iam:TagRole", "aws:TagKeys", OPTIONAL),
        ("sts:AssumeRole", "aws:RequestTag/task_id", OPTIONAL),
        ("sts:TagSession", "aws:TagKeys", OPTIONAL),
        ("dynamodb:GetItem", "aws:RequestTag/task_id", NEVER),
        ("s3:GetObject", "aws:TagKeys", NEVER),
        # Scan does not carry the keys of items.
        ("dynamodb:Query", "dynamodb:LeadingKeys", OPTIONAL),
        ("dynamodb:Scan", "dynamodb:LeadingKeys", NEVER),
        ("dynamodb:SearchVectors", "dynamodb:LeadingKeys", NEVER),
        ("dynamodb:GetRecords", "dynamodb:LeadingKeys", NEVER),
        # Defined by AWS and listed at no action: it may be anywhere in the service.
        ("dynamodb:GetItem", "dynamodb:FirstPartitionKeyValues", OPTIONAL),
        ("dynamodb:GetItem", "aws:ResourceTag/team", OPTIONAL),
        ("s3:ListBucket", "s3:prefix", OPTIONAL),
        ("s3:GetObject", "s3:prefix", NEVER),
        ("s3:GetObject", "s3:ExistingObjectTag/tenant", OPTIONAL),
        ("s3:DeleteObject", "s3:ExistingObjectTag/tenant", NEVER),
        ("kms:Decrypt", "kms:EncryptionContext:tenant", OPTIONAL),
        ("secretsmanager:GetSecretValue", "secretsmanager:ResourceTag/tenant", OPTIONAL),
        ("sts:AssumeRole", "sts:SourceIdentity", OPTIONAL),
        ("sts:TagSession", "sts:SourceIdentity", NEVER),
        ("bedrock-agentcore:GetEvent", "bedrock-agentcore:actorId", OPTIONAL),
        ("bedrock-agentcore:GetMemoryRecord", "bedrock-agentcore:actorId", NEVER),
        ("bedrock:InvokeModel", "bedrock:InferenceProfileArn", OPTIONAL),
        ("dynamodb:GetItem", "aws:PrincipalArn", ALWAYS),
        ("dynamodb:GetItem", "aws:PrincipalTag/task_id", OPTIONAL),
        ("dynamodb:GetItem", "aws:SourceVpce", OPTIONAL),
        ("dynamodb:GetItem", "zz:anything", NEVER),
        # Nobody says what these carry, but for the global keys.
        ("sts:GetScopedCredentials", "sts:Anything", OPTIONAL),
        ("polly:SynthesizeSpeech", "aws:RequestTag/x", OPTIONAL),
        ("polly:SynthesizeSpeech", "aws:PrincipalArn", ALWAYS),
    ],
)
def test_a_request_carries(action: str, key: str, presence: Presence) -> None:
    """Each pair of an action and a key has the presence that AWS documents, or the careful one."""
    assert carried(action, key).presence is presence


@pytest.mark.parametrize(
    ("action", "key", "many", "kind"),
    [
        ("dynamodb:BatchGetItem", "dynamodb:LeadingKeys", True, "String"),
        ("dynamodb:Query", "dynamodb:Attributes", True, "String"),
        ("s3:ListBucket", "s3:prefix", False, "String"),
        ("sts:AssumeRole", "aws:TagKeys", True, "String"),
        ("sts:AssumeRole", "aws:RequestTag/x", False, "String"),
        ("sts:AssumeRole", "sts:TransitiveTagKeys", True, "String"),
        ("kms:Decrypt", "kms:ResourceAliases", True, "String"),
        ("s3:GetObject", "aws:SourceArn", False, "ARN"),
        ("s3:GetObject", "aws:SecureTransport", False, "Bool"),
        ("s3:GetObject", "aws:CurrentTime", False, "Date"),
        ("s3:ListBucket", "s3:max-keys", False, "Numeric"),
        ("s3:GetObject", "aws:SourceIp", False, "IPAddress"),
        ("s3:GetObject", "aws:PrincipalOrgPaths", True, "String"),
        # Nobody says what these are.
        ("sts:GetScopedCredentials", "sts:Anything", True, "String"),
        ("s3:GetObject", "zz:anything", True, "String"),
    ],
)
def test_a_key_has_one_value_or_a_set(action: str, key: str, many: bool, kind: str) -> None:
    """The arity says whether set operators are for a key, the type which other operators."""
    found = carried(action, key)
    assert (found.many, found.type) == (many, kind)


@pytest.mark.parametrize(
    ("action", "key", "setter"),
    [
        ("s3:GetObject", "aws:PrincipalArn", Setter.IDENTITY),
        ("s3:GetObject", "aws:PrincipalTag/task_id", Setter.SESSION),
        ("s3:GetObject", "aws:SourceIdentity", Setter.SESSION),
        ("s3:GetObject", "aws:userid", Setter.SESSION),
        ("s3:GetObject", "aws:ResourceAccount", Setter.RESOURCE),
        ("dynamodb:GetItem", "aws:ResourceTag/team", Setter.RESOURCE),
        ("s3:GetObject", "s3:ExistingObjectTag/tenant", Setter.RESOURCE),
        ("s3:GetObject", "aws:SourceVpc", Setter.NETWORK),
        ("s3:GetObject", "aws:TokenIssueTime", Setter.NETWORK),
        ("s3:GetObject", "aws:SourceArn", Setter.SERVICE),
        ("s3:GetObject", "aws:SourceAccount", Setter.SERVICE),
        ("kms:Decrypt", "kms:ViaService", Setter.SERVICE),
        ("kms:Decrypt", "kms:EncryptionContext:tenant", Setter.CALLER),
        ("dynamodb:Query", "dynamodb:LeadingKeys", Setter.CALLER),
        ("s3:ListBucket", "s3:prefix", Setter.CALLER),
        ("iam:CreateRole", "aws:RequestTag/cost", Setter.CALLER),
        ("s3:GetObject", "aws:UserAgent", Setter.CALLER),
        ("sts:GetScopedCredentials", "sts:Anything", Setter.CALLER),
    ],
)
def test_a_key_is_set_by(action: str, key: str, setter: Setter) -> None:
    """What AWS sets may restrict a caller; what the caller sets may not."""
    assert carried(action, key).set_by is setter


def test_a_family_takes_any_name_and_ignores_case() -> None:
    """One published key with a placeholder covers all tags; it is not the key without a name."""
    (family,) = [key for key in condition_keys("iam:CreateRole") if key.name.startswith("aws:RequestTag")]
    assert family.matches("AWS:requesttag/Cost Center")
    assert not family.matches("aws:RequestTag/")
    assert not family.matches("aws:RequestTags/x")


def test_no_two_keys_of_an_action_have_one_name() -> None:
    """A key that is global and listed at the action counts once."""
    for name in ("sts:AssumeRole", "s3:PutObject", "kms:CreateGrant", "lambda:InvokeFunction"):
        names = [key.name.lower() for key in condition_keys(name)]
        assert len(names) == len(set(names))


def test_global_keys_know_their_setters() -> None:
    """Every kind of setter has global keys, and the principal's ARN is in every signed request."""
    assert {key.set_by for key in global_keys()} == set(Setter)
    assert "aws:PrincipalArn" in {key.name for key in global_keys() if key.presence is ALWAYS}
