"""What IAM is asked for a call of boto3: the actions, the resources and the condition keys that AWS documents."""

from typing import Any, Literal

import boto3
import pytest
from botocore.config import Config

from session_scoping.testing.wire_requests import IamCall, Wire, iam_calls

TABLE = "arn:aws:dynamodb:eu-west-1:111122223333:table/Tasks"
ACCOUNT_KEYS = "arn:aws:kms:eu-west-1:111122223333:key/"
BROKER = "arn:aws:lambda:eu-west-1:111122223333:function:broker"
RS256 = "RSASSA_PKCS1_V1_5_SHA_256"
GROUP = "arn:aws:logs:eu-west-1:111122223333:log-group:agents"
ROW, OTHER = {"task_id": {"S": "T1"}}, {"task_id": {"S": "T2"}}
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:"
PARAMETER = "arn:aws:ssm:eu-west-1:111122223333:parameter/"
MEMORY = "arn:aws:bedrock-agentcore:eu-west-1:111122223333:memory/mem-1234567890"
ACTOR, SESSION, NAMESPACE, PATH = (
    f"bedrock-agentcore:{key}" for key in ("actorId", "sessionId", "namespace", "namespacePath")
)
KEY = "s3:x-amz-server-side-encryption-aws-kms-key-id"


class _Kept(Exception):  # noqa: N818 - no error: the request has been read and is not sent
    """Ends a call before it is sent."""


def asked(
    service: str, operation: str, *, style: Literal["path", "virtual"] = "path", **arguments: Any
) -> list[IamCall]:
    """Return what IAM is asked for one call of boto3."""
    made: Any = boto3.client
    client = made(
        service,
        region_name="eu-west-1",
        aws_access_key_id="AKIAEXAMPLE",
        aws_secret_access_key="secret",
        endpoint_url="http://localhost:9",
        config=Config(s3={"addressing_style": style}, retries={"total_max_attempts": 1}),
    )
    found: list[IamCall] = []

    def keep(request: Any, event_name: str, **_: object) -> None:
        name, called = event_name.split(".", 2)[1:]
        wire = Wire(lambda table: "task_id" if table == "Tasks" else None, "111122223333", "localhost")
        found.extend(iam_calls(name, called, request, wire))
        raise _Kept

    client.meta.events.register("before-send", keep)
    with pytest.raises(_Kept):
        getattr(client, operation)(**arguments)
    return found


# Source: S3 guide, "Required permissions for Amazon S3 API operations".
OBJECTS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("abort_multipart_upload", {"UploadId": "u"}, ["AbortMultipartUpload"]),
    ("complete_multipart_upload", {"UploadId": "u"}, ["PutObject"]),
    ("create_multipart_upload", {}, ["PutObject"]),
    ("delete_object", {}, ["DeleteObject"]),
    ("delete_object", {"VersionId": "v"}, ["DeleteObjectVersion"]),
    ("get_object", {}, ["GetObject"]),
    ("get_object", {"VersionId": "v"}, ["GetObjectVersion"]),
    ("get_object_acl", {}, ["GetObjectAcl"]),
    ("get_object_acl", {"VersionId": "v"}, ["GetObjectVersionAcl"]),
    ("get_object_tagging", {}, ["GetObjectTagging"]),
    ("get_object_tagging", {"VersionId": "v"}, ["GetObjectVersionTagging"]),
    ("head_object", {}, ["GetObject"]),
    ("list_parts", {"UploadId": "u"}, ["ListMultipartUploadParts"]),
    ("put_object", {"Body": b"x"}, ["PutObject"]),
    ("put_object", {"Body": b"x", "ACL": "private"}, ["PutObject", "PutObjectAcl"]),
    ("put_object", {"Body": b"x", "Tagging": "a=b"}, ["PutObject", "PutObjectTagging"]),
    ("put_object_acl", {"ACL": "private"}, ["PutObjectAcl"]),
    ("put_object_tagging", {"Tagging": {"TagSet": []}}, ["PutObjectTagging"]),
    ("upload_part", {"UploadId": "u", "PartNumber": 1}, ["PutObject"]),
]


@pytest.mark.parametrize("style", ["path", "virtual"])
@pytest.mark.parametrize(("operation", "arguments", "actions"), OBJECTS)
def test_a_call_about_an_object_asks_for_its_actions(
    style: Literal["path", "virtual"], operation: str, arguments: dict[str, Any], actions: list[str]
) -> None:
    """Each stands for the object, however the bucket is addressed."""
    found = asked("s3", operation, style=style, Bucket="objects", Key="a/T1 x", **arguments)
    assert found == [IamCall(f"s3:{action}", "arn:aws:s3:::objects/a/T1 x") for action in actions]


def test_a_key_of_kms_is_part_of_a_write() -> None:
    """A policy may demand the tenant's own key."""
    encrypted: dict[str, Any] = {
        "ServerSideEncryption": "aws:kms",
        "SSEKMSKeyId": "arn:aws:kms:eu-west-1:111122223333:key/k",
    }
    (found,) = asked("s3", "put_object", Bucket="objects", Key="k", Body=b"x", **encrypted)
    assert found.context == {KEY: encrypted["SSEKMSKeyId"]}


@pytest.mark.parametrize("operation", ["copy_object", "upload_part_copy"])
@pytest.mark.parametrize(("version", "read"), [("", "GetObject"), ("?versionId=v", "GetObjectVersion")])
def test_a_copy_reads_one_object_and_writes_another(operation: str, version: str, read: str) -> None:
    """The source may be another tenant's."""
    part: dict[str, Any] = {"UploadId": "u", "PartNumber": 1} if operation == "upload_part_copy" else {}
    found = asked("s3", operation, Bucket="objects", Key="new", CopySource=f"other/old x{version}", **part)
    assert found == [
        IamCall(f"s3:{read}", "arn:aws:s3:::other/old x"),
        IamCall("s3:PutObject", "arn:aws:s3:::objects/new"),
    ]


def test_each_object_that_is_deleted_is_asked_for() -> None:
    """One call deletes many, of which one may be somebody else's."""
    objects = [{"Key": "a&b"}, {"Key": "old", "VersionId": "v"}]
    assert asked("s3", "delete_objects", Bucket="objects", Delete={"Objects": objects}) == [
        IamCall("s3:DeleteObject", "arn:aws:s3:::objects/a&b"),
        IamCall("s3:DeleteObjectVersion", "arn:aws:s3:::objects/old"),
    ]


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        ("head_bucket", "ListBucket"),
        ("list_multipart_uploads", "ListBucketMultipartUploads"),
        ("list_objects", "ListBucket"),
        ("list_objects_v2", "ListBucket"),
        ("list_object_versions", "ListBucketVersions"),
        ("delete_bucket", "DeleteBucket"),
    ],
)
def test_a_call_about_a_bucket_asks_for_its_action(operation: str, action: str) -> None:
    """Names of operations and actions differ; what is not in the table goes by its own name."""
    assert asked("s3", operation, Bucket="objects") == [IamCall(f"s3:{action}", "arn:aws:s3:::objects")]


def test_the_list_of_buckets_is_the_account_s() -> None:
    """It is authorized on no bucket."""
    assert asked("s3", "list_buckets") == [IamCall("s3:ListAllMyBuckets", "*")]


def rows(action: str, *keys: str, resource: str = TABLE) -> IamCall:
    """Return a request about rows with these partition keys."""
    return IamCall(f"dynamodb:{action}", resource, {"dynamodb:LeadingKeys": list(keys)})


NAMED: dict[str, Any] = {"TableName": "Tasks"}
QUERY = {**NAMED, "ExpressionAttributeValues": {":t": {"S": "T1"}}}
SELECT = {"Statement": 'SELECT * FROM "Tasks"'}
CALLS: list[tuple[str, dict[str, Any], list[IamCall]]] = [
    ("get_item", {**NAMED, "Key": ROW}, [rows("GetItem", "T1")]),
    ("put_item", {**NAMED, "Item": ROW}, [rows("PutItem", "T1")]),
    ("put_item", {"TableName": "Tasks", "Item": {"x": {"S": "T1"}}}, [IamCall("dynamodb:PutItem", TABLE)]),
    ("batch_get_item", {"RequestItems": {"Tasks": {"Keys": [ROW, OTHER]}}}, [rows("BatchGetItem", "T1", "T2")]),
    (
        "batch_write_item",
        {"RequestItems": {"Tasks": [{"PutRequest": {"Item": ROW}}, {"DeleteRequest": {"Key": OTHER}}]}},
        [rows("BatchWriteItem", "T1", "T2")],
    ),
    ("query", {**QUERY, "KeyConditionExpression": "task_id = :t"}, [rows("Query", "T1")]),
    (
        "query",
        {**QUERY, "KeyConditionExpression": "#k = :t", "ExpressionAttributeNames": {"#k": "task_id"}},
        [rows("Query", "T1")],
    ),
    ("query", {**QUERY, "KeyConditionExpression": "x = :t"}, [IamCall("dynamodb:Query", TABLE)]),
    (
        "query",
        {**QUERY, "KeyConditionExpression": "x = :t", "IndexName": "ByX"},
        [rows("Query", "T1", resource=f"{TABLE}/index/ByX")],
    ),
    ("scan", NAMED, [IamCall("dynamodb:Scan", TABLE)]),
    ("list_tables", {}, [IamCall("dynamodb:ListTables", f"{TABLE.removesuffix('Tasks')}*")]),
    (
        "transact_write_items",
        {
            "TransactItems": [
                {"Put": {**NAMED, "Item": ROW}},
                {"Update": {**NAMED, "Key": OTHER, "UpdateExpression": "SET a = b"}},
                {"Delete": {**NAMED, "Key": ROW}},
                {"ConditionCheck": {**NAMED, "Key": OTHER, "ConditionExpression": "a = b"}},
            ]
        },
        [rows("PutItem", "T1"), rows("UpdateItem", "T2"), rows("DeleteItem", "T1"), rows("ConditionCheckItem", "T2")],
    ),
    ("transact_get_items", {"TransactItems": [{"Get": {**NAMED, "Key": ROW}}]}, [rows("GetItem", "T1")]),
    ("execute_statement", SELECT, [IamCall("dynamodb:PartiQLSelect", TABLE)]),
    (
        "batch_execute_statement",
        {"Statements": [{"Statement": "INSERT INTO Tasks VALUE {'a': 1}"}]},
        [IamCall("dynamodb:PartiQLInsert", TABLE)],
    ),
    (
        "execute_transaction",
        {"TransactStatements": [{"Statement": 'update "Tasks" set a=1'}, {"Statement": "delete from Tasks"}]},
        [IamCall("dynamodb:PartiQLUpdate", TABLE), IamCall("dynamodb:PartiQLDelete", TABLE)],
    ),
]


@pytest.mark.parametrize(("operation", "arguments", "calls"), CALLS)
def test_a_call_about_rows_asks_with_their_keys(
    operation: str, arguments: dict[str, Any], calls: list[IamCall]
) -> None:
    """A transaction is its parts, and a key that cannot be read counts as none."""
    assert asked("dynamodb", operation, **arguments) == calls


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "call"),
    [
        ("logs", "create_log_group", {"logGroupName": "agents"}, IamCall("logs:CreateLogGroup", f"{GROUP}:*")),
        (
            "logs",
            "create_log_stream",
            {"logGroupName": "agents", "logStreamName": "s"},
            IamCall("logs:CreateLogStream", f"{GROUP}:log-stream:s"),
        ),
        (
            "secretsmanager",
            "get_secret_value",
            {"SecretId": "x"},
            IamCall("secretsmanager:GetSecretValue", SECRET + "x-AbCdEf"),
        ),
        (
            "secretsmanager",
            "get_secret_value",
            {"SecretId": SECRET + "x"},
            IamCall("secretsmanager:GetSecretValue", SECRET + "x"),
        ),
        ("secretsmanager", "create_secret", {"Name": "x"}, IamCall("secretsmanager:CreateSecret", SECRET + "x-AbCdEf")),
        ("ssm", "get_parameter", {"Name": "/a/b:3"}, IamCall("ssm:GetParameter", PARAMETER + "a/b")),
        ("ssm", "get_parameter", {"Name": "b"}, IamCall("ssm:GetParameter", PARAMETER + "b")),
        ("ssm", "get_parameter", {"Name": PARAMETER + "b"}, IamCall("ssm:GetParameter", PARAMETER + "b")),
        ("ssm", "put_parameter", {"Name": "/a", "Value": "v"}, IamCall("ssm:PutParameter", PARAMETER + "a")),
        ("ssm", "describe_parameters", {}, IamCall("ssm:DescribeParameters", "*")),
        (
            "ssm",
            "get_parameters_by_path",
            {"Path": "/a", "Recursive": True},
            IamCall("ssm:GetParametersByPath", PARAMETER + "a", {"ssm:Recursive": "true"}),
        ),
        (
            "ssm",
            "add_tags_to_resource",
            {"ResourceType": "Parameter", "ResourceId": "/a", "Tags": []},
            IamCall("ssm:AddTagsToResource", PARAMETER + "a"),
        ),
        (
            "ssm",
            "list_tags_for_resource",
            {"ResourceType": "Document", "ResourceId": "a"},
            IamCall("ssm:ListTagsForResource", "*"),
        ),
        (
            "kms",
            "sign",
            {"KeyId": "1", "Message": b"d", "MessageType": "DIGEST", "SigningAlgorithm": RS256},
            IamCall("kms:Sign", f"{ACCOUNT_KEYS}1", {"kms:MessageType": "DIGEST", "kms:SigningAlgorithm": RS256}),
        ),
        ("kms", "describe_key", {"KeyId": f"{ACCOUNT_KEYS}2"}, IamCall("kms:DescribeKey", f"{ACCOUNT_KEYS}2")),
        ("kms", "list_keys", {}, IamCall("kms:ListKeys", "*")),
        ("lambda", "invoke", {"FunctionName": "broker"}, IamCall("lambda:InvokeFunction", BROKER)),
        ("lambda", "invoke", {"FunctionName": BROKER}, IamCall("lambda:InvokeFunction", BROKER)),
        ("secretsmanager", "list_secrets", {}, IamCall("secretsmanager:ListSecrets", "*")),
        ("sqs", "list_queues", {}, IamCall("sqs:ListQueues", "*")),
    ],
)
def test_a_call_of_another_service_asks_for_what_it_names(
    service: str, operation: str, arguments: dict[str, Any], call: IamCall
) -> None:
    """What is not mapped is asked for on everything, so that only a broad grant allows it."""
    assert asked(service, operation, **arguments) == [call]


def test_a_session_is_asked_for_with_all_that_it_is_made_with() -> None:
    """Tags and a source identity are actions of their own."""
    role = "arn:aws:iam::111122223333:role/Session"
    found = asked(
        "sts",
        "assume_role",
        RoleArn=role,
        RoleSessionName="T1",
        SourceIdentity="agent",
        ExternalId="id",
        Tags=[{"Key": "task_id", "Value": "T1"}],
        TransitiveTagKeys=["task_id"],
    )
    context = {
        "aws:RequestTag/task_id": "T1",
        "aws:TagKeys": ["task_id"],
        "sts:TransitiveTagKeys": ["task_id"],
        "sts:ExternalId": "id",
        "sts:RoleSessionName": "T1",
        "sts:SourceIdentity": "agent",
    }
    actions = ("AssumeRole", "TagSession", "SetSourceIdentity")
    assert found == [IamCall(f"sts:{action}", role, context) for action in actions]
    assert asked("sts", "get_caller_identity") == [IamCall("sts:GetCallerIdentity", "*")]


def test_secrets_in_one_call_are_asked_for_one_by_one() -> None:
    """The batch itself, each secret, and their names where a filter chooses them."""
    batch = IamCall("secretsmanager:BatchGetSecretValue", "*")
    read = "secretsmanager:GetSecretValue"
    found = asked("secretsmanager", "batch_get_secret_value", SecretIdList=["a", SECRET + "b-AbCdEf"])
    assert found == [batch, IamCall(read, f"{SECRET}a-AbCdEf"), IamCall(read, f"{SECRET}b-AbCdEf")]
    found = asked("secretsmanager", "batch_get_secret_value", Filters=[{"Key": "name", "Values": ["a"]}])
    assert found == [batch, IamCall(read, "*"), IamCall("secretsmanager:ListSecrets", "*")]


def test_parameters_in_one_call_are_asked_for_one_by_one() -> None:
    """A parameter is a resource of its own."""
    found = asked("ssm", "get_parameters", Names=["/a", "b"])
    assert found == [IamCall("ssm:GetParameters", f"{PARAMETER}{name}") for name in ("a", "b")]


MEMORIES: list[tuple[str, dict[str, Any], dict[str, str]]] = [
    (
        "create_event",
        {"eventTimestamp": 0, "payload": [], "actorId": "u", "sessionId": "s"},
        {ACTOR: "u", SESSION: "s"},
    ),
    ("create_event", {"eventTimestamp": 0, "payload": [], "actorId": "u"}, {ACTOR: "u"}),
    ("list_events", {"actorId": "u/x", "sessionId": "s"}, {ACTOR: "u/x", SESSION: "s"}),
    ("get_event", {"actorId": "u", "sessionId": "s", "eventId": "1"}, {ACTOR: "u", SESSION: "s"}),
    ("delete_event", {"actorId": "u", "sessionId": "s", "eventId": "1"}, {ACTOR: "u", SESSION: "s"}),
    ("list_sessions", {"actorId": "u"}, {ACTOR: "u"}),
    ("list_memory_records", {"namespace": "/u/"}, {NAMESPACE: "/u/"}),
    ("list_memory_records", {"namespacePath": "/u/"}, {PATH: "/u/"}),
    ("retrieve_memory_records", {"namespace": "/u/", "searchCriteria": {"searchQuery": "q"}}, {NAMESPACE: "/u/"}),
    ("get_memory_record", {"memoryRecordId": "mem-" + "1" * 40}, {}),
    ("list_actors", {}, {}),
]


@pytest.mark.parametrize(("operation", "arguments", "context"), MEMORIES)
def test_a_memory_is_asked_for_with_whose_it_is(
    operation: str, arguments: dict[str, Any], context: dict[str, str]
) -> None:
    """From the path or the body, and only the keys that requests of the action carry."""
    made: Any = boto3.client
    members = made("bedrock-agentcore", "eu-west-1").meta.service_model.operation_model(
        "".join(map(str.capitalize, operation.split("_")))
    )
    if not members.input_shape or arguments.keys() - members.input_shape.members:
        pytest.skip("the installed botocore lacks an argument")
    (found,) = asked("bedrock-agentcore", operation, memoryId="mem-1234567890", **arguments)
    assert (found.resource, found.context) == (MEMORY, context)


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
def test_a_list_says_below_which_prefix(operation: str) -> None:
    """A session lists its own; a list without a prefix, or of uploads, carries none."""
    (found,) = asked("s3", operation, Bucket="b", Prefix="traces/u 1/", Delimiter="/", MaxKeys=3)
    assert found.context == {"s3:prefix": "traces/u 1/", "s3:delimiter": "/", "s3:max-keys": "3"}
    (bare,) = asked("s3", operation, Bucket="b")
    (uploads,) = asked("s3", "list_multipart_uploads", Bucket="b", Prefix="x")
    assert (bare.context, uploads.context) == ({}, {})
