"""Turns one boto3 request on the wire into the IAM requests AWS makes of it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest

from session_scoping.aws.keys import Presence, carried, is_defined
from session_scoping.testing.signed_requests import form_of, form_tags, header_of, json_of, region_of, text_of

PartitionKey = Callable[[str], str | None]
"""Table name -> attribute name of its partition key, or None for a table nobody knows."""

# Source: Actions, resources and condition keys for Amazon S3 (service authorization reference) and
# AmazonS3 UserGuide, "Required permissions for Amazon S3 API operations".
_S3_OBJECT = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteObject": "DeleteObject",
    "GetObject": "GetObject",
    "GetObjectAcl": "GetObjectAcl",
    "GetObjectTagging": "GetObjectTagging",
    "HeadObject": "GetObject",
    "ListParts": "ListMultipartUploadParts",
    "PutObject": "PutObject",
    "PutObjectAcl": "PutObjectAcl",
    "PutObjectTagging": "PutObjectTagging",
    "UploadPart": "PutObject",
}
_S3_BUCKET = {
    "HeadBucket": "ListBucket",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
}
# Source: DynamoDB Developer Guide, transaction-apis-iam: each item of a transaction is its own action.
_TRANSACT = {"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}
_PARTIQL = {"SELECT": "PartiQLSelect", "INSERT": "PartiQLInsert", "UPDATE": "PartiQLUpdate", "DELETE": "PartiQLDelete"}


@dataclass(frozen=True)
class IamCall:
    """One request as IAM sees it."""

    action: str
    resource: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wire:
    """
    What a request does not say of itself.

    Attributes:
        key_of: Knows the partition key of each table.
        account: Account the resources are in.
        host: Host of the client's endpoint, which a bucket's name may precede.
    """

    key_of: PartitionKey
    account: str
    host: str


def iam_calls(
    service: str, operation: str, request: AWSPreparedRequest, wire: Wire, inherited: Mapping[str, str] | None = None
) -> Iterator[IamCall]:
    """
    Yield what IAM is asked for one call; an operation that is not mapped is asked for on `*`.

    Args:
        service: botocore's name of the service in events, such as `cloudwatch-logs`.
        operation: Name of the operation.
        request: The request, signed and ready to go.
        wire: What the request does not say of itself.
        inherited: Tags that a session the caller makes inherits. Default: none.
    """
    place = f"{region_of(request)}:{wire.account}"
    if service == "dynamodb":
        yield from _dynamodb(operation, json_of(request), f"arn:aws:dynamodb:{place}:table/", wire.key_of)
    elif service == "s3":
        yield from _s3(operation, request, wire.host)
    elif service == "sts":
        yield from _sts(operation, form_of(request), inherited or {})
    elif service == "cloudwatch-logs":
        yield _logs(operation, json_of(request), f"arn:aws:logs:{place}:log-group:")
    elif service == "secrets-manager":
        yield from _secrets(operation, json_of(request), f"arn:aws:secretsmanager:{place}:secret:")
    elif service == "ssm":
        yield from _parameters(operation, json_of(request), f"arn:aws:ssm:{place}:parameter/")
    elif service == "bedrock-agentcore" and "/memories/" in request.url:
        yield _memory(operation, request, f"arn:aws:bedrock-agentcore:{place}:memory/")
    elif service == "kms":
        yield _kms(operation, json_of(request), f"arn:aws:kms:{place}:key/")
    elif (service, operation) == ("lambda", "Invoke"):
        # Source: Lambda API_Invoke: the name or the ARN of the function is in the path.
        name = unquote(urlsplit(request.url).path).split("/functions/")[1].removesuffix("/invocations")
        yield IamCall("lambda:InvokeFunction", name if ":" in name else f"arn:aws:lambda:{place}:function:{name}")
    else:
        yield IamCall(f"{service}:{operation}", "*")


def _logs(operation: str, body: dict[str, Any], arn: str) -> IamCall:
    group = str(body.get("logGroupName", "*"))
    stream = body.get("logStreamName")
    return IamCall(f"logs:{operation}", f"{arn}{group}:log-stream:{stream}" if stream else f"{arn}{group}:*")


def _secrets(operation: str, body: dict[str, Any], arn: str) -> Iterator[IamCall]:
    """
    Yield what is asked of secrets; one that is named has an ARN that ends in six characters of AWS's own.

    Source: Secrets Manager guide, whats-in-a-secret; API reference, BatchGetSecretValue: it needs GetSecretValue on
    each secret besides, and with filters ListSecrets.
    """
    names = body.get("SecretIdList", [body[key] for key in ("SecretId", "Name") if key in body])
    arns = [name if name.startswith("arn:") else f"{arn}{name}-AbCdEf" for name in map(str, names)]
    if operation != "BatchGetSecretValue":
        yield from (IamCall(f"secretsmanager:{operation}", one) for one in arns or ["*"])
        return
    yield IamCall("secretsmanager:BatchGetSecretValue", "*")
    yield from (IamCall("secretsmanager:GetSecretValue", one) for one in arns or ["*"])
    if "Filters" in body:
        yield IamCall("secretsmanager:ListSecrets", "*")


def _kms(operation: str, body: dict[str, Any], arn: str) -> IamCall:
    """Source: service authorization reference, list_awskeymanagementservice: what Sign and Verify can be tied to."""
    key = str(body.get("KeyId", "*"))
    context = {f"kms:{name}": body[name] for name in ("MessageType", "SigningAlgorithm") if name in body}
    return _carrying(f"kms:{operation}", key if ":" in key or key == "*" else arn + key, context)


def _parameters(operation: str, body: dict[str, Any], arn: str) -> Iterator[IamCall]:
    """
    Yield what is asked of parameters, by name, by ARN, or by the path that they lie below.

    Source: service authorization reference, "AWS Systems Manager"; Systems Manager guide, sysman-paramstore-access and
    sysman-paramstore-versions: a version or label stands behind a name's colon.
    """
    named = [body[key] for key in ("Name", "Path") if key in body] or body.get("Names", [])
    if operation.endswith(("TagsToResource", "TagsFromResource", "TagsForResource")):
        named = [body["ResourceId"]] if body.get("ResourceType") == "Parameter" else []
    recursive = {"ssm:Recursive": str(body.get("Recursive", False)).lower()} if "Path" in body else {}
    for name in map(str, named):
        resource = name if name.startswith("arn:") else arn + name.partition(":")[0].removeprefix("/")
        yield IamCall(f"ssm:{operation}", resource, recursive)
    if not named:
        yield IamCall(f"ssm:{operation}", "*")


def _memory(operation: str, request: AWSPreparedRequest, arn: str) -> IamCall:
    """
    Return what is asked of an AgentCore Memory: whose event or record it is stands in the path or the body.

    Source: service authorization reference, list_amazonbedrockagentcore; AgentCore API reference.
    """
    path = urlsplit(request.url).path.partition("/memories/")[2].split("/")
    said = dict(zip(path[1::2], map(unquote, path[2::2]), strict=False))
    body = json_of(request) if text_of(request) else {}
    given = {**body, **{key: said[part] for part, key in _IN_PATH.items() if part in said}}
    keys = ("actorId", "sessionId", "namespace", "namespacePath")
    context = {f"bedrock-agentcore:{key}": given[key] for key in keys if key in given}
    return _carrying(f"bedrock-agentcore:{operation}", arn + unquote(path[0]), context)


_IN_PATH = {"actor": "actorId", "sessions": "sessionId"}


def _carrying(action: str, resource: str, said: Mapping[str, str]) -> IamCall:
    """Return a call with those keys that requests of the action carry."""
    kept = (key for key in said if not is_defined(key.lower()) or carried(action, key).presence is not Presence.NEVER)
    return IamCall(action, resource, {key: said[key] for key in kept})


def _dynamodb(operation: str, body: dict[str, Any], arn: str, key_of: PartitionKey) -> Iterator[IamCall]:
    if operation == "TransactWriteItems":
        for item in body["TransactItems"]:
            for kind, part in item.items():
                yield _item(_TRANSACT[kind], part, arn, key_of)
    elif operation == "TransactGetItems":
        for item in body["TransactItems"]:
            yield _item("GetItem", item["Get"], arn, key_of)
    elif operation == "BatchGetItem":
        for table, part in body["RequestItems"].items():
            yield _keyed(operation, table, [_value(key.get(key_of(table) or "")) for key in part["Keys"]], arn)
    elif operation == "BatchWriteItem":
        for table, parts in body["RequestItems"].items():
            items = [
                part["PutRequest"]["Item"] if "PutRequest" in part else part["DeleteRequest"]["Key"] for part in parts
            ]
            yield _keyed(operation, table, [_value(item.get(key_of(table) or "")) for item in items], arn)
    elif operation == "Query":
        index = f"/index/{body['IndexName']}" if "IndexName" in body else ""
        yield _keyed(operation, body["TableName"] + index, [_queried(body, key_of(body["TableName"]))], arn)
    elif operation in {"ExecuteStatement", "ExecuteTransaction", "BatchExecuteStatement"}:
        statements = (
            [body] if "Statement" in body else [*body.get("TransactStatements", []), *body.get("Statements", [])]
        )
        for statement in statements:
            words = statement["Statement"].split()
            table = re.search(r'(?:FROM|INTO|UPDATE)\s+"?([\w.-]+)', statement["Statement"], re.IGNORECASE)
            yield IamCall(f"dynamodb:{_PARTIQL[words[0].upper()]}", arn + (table[1] if table else "*"))
    elif "Key" in body or "Item" in body:
        yield _item(operation, body, arn, key_of)
    else:
        yield IamCall(f"dynamodb:{operation}", arn + str(body.get("TableName", "*")))


def _item(action: str, body: dict[str, Any], arn: str, key_of: PartitionKey) -> IamCall:
    attributes = body.get("Key") or body.get("Item") or {}
    return _keyed(action, body["TableName"], [_value(attributes.get(key_of(body["TableName"]) or ""))], arn)


def _keyed(action: str, table: str, keys: list[str | None], arn: str) -> IamCall:
    known = [key for key in keys if key is not None]
    # A key that cannot be read counts as none: the policies must then deny.
    context = {"dynamodb:LeadingKeys": known} if len(known) == len(keys) else {}
    return IamCall(f"dynamodb:{action}", arn + table, context)


def _value(typed: Any) -> str | None:
    return str(next(iter(typed.values()))) if isinstance(typed, dict) and len(typed) == 1 else None


def _queried(body: dict[str, Any], partition_key: str | None) -> str | None:
    """Return the partition key a Query asks for, from its key condition expression."""
    names, values = body.get("ExpressionAttributeNames", {}), body.get("ExpressionAttributeValues", {})
    for name, value in re.findall(r"([#\w.-]+)\s*=\s*(:\w+)", body.get("KeyConditionExpression", "")):
        if "IndexName" in body or names.get(name, name) == partition_key:
            return _value(values.get(value))
    return None


def _s3(operation: str, request: AWSPreparedRequest, host: str) -> Iterator[IamCall]:
    url = urlsplit(request.url)
    bucket, _, key = unquote(url.path).lstrip("/").partition("/")
    if (url.hostname or "").endswith(f".{host}"):
        bucket, key = str(url.hostname).removesuffix(f".{host}"), unquote(url.path).removeprefix("/")
    arn = f"arn:aws:s3:::{bucket}"
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if operation in {"CopyObject", "UploadPartCopy"}:
        yield _copied(request)
        operation = "PutObject"
    if operation in _S3_OBJECT:
        yield from _object_calls(_versioned(_S3_OBJECT[operation], "versionId" in query), f"{arn}/{key}", request)
    elif operation == "DeleteObjects":
        for entry in re.findall(r"<Object>(.*?)</Object>", text_of(request), re.DOTALL):
            deleted = re.search(r"<Key>(.*?)</Key>", entry, re.DOTALL)
            action = _versioned("DeleteObject", "<VersionId>" in entry)
            yield IamCall(f"s3:{action}", f"{arn}/{unescape(deleted[1]) if deleted else '*'}")
    elif operation == "ListBuckets":
        yield IamCall("s3:ListAllMyBuckets", "*")
    else:
        listed = {f"s3:{key}": query[key] for key in ("prefix", "delimiter", "max-keys") if key in query}
        yield _carrying(f"s3:{_S3_BUCKET.get(operation, operation)}", arn, listed)


def _versioned(action: str, of_a_version: bool) -> str:
    if not of_a_version or action not in {"GetObject", "DeleteObject", "GetObjectTagging", "GetObjectAcl"}:
        return action
    # The word Version stands before what is read of it: GetObjectVersionTagging.
    return re.sub(r"Object", "ObjectVersion", action)


def _copied(request: AWSPreparedRequest) -> IamCall:
    source, _, version = unquote(header_of(request, "x-amz-copy-source")).lstrip("/").partition("?versionId=")
    return IamCall(f"s3:{_versioned('GetObject', bool(version))}", f"arn:aws:s3:::{source}")


def _object_calls(action: str, arn: str, request: AWSPreparedRequest) -> Iterator[IamCall]:
    key = header_of(request, "x-amz-server-side-encryption-aws-kms-key-id")
    yield IamCall(f"s3:{action}", arn, {"s3:x-amz-server-side-encryption-aws-kms-key-id": key} if key else {})
    for header, further in (("x-amz-acl", "PutObjectAcl"), ("x-amz-tagging", "PutObjectTagging")):
        if action == "PutObject" and header_of(request, header):
            yield IamCall(f"s3:{further}", arn)


def _sts(operation: str, form: Mapping[str, str], inherited: Mapping[str, str]) -> Iterator[IamCall]:
    # What is inherited is part of the request (source: `constructs.tool_trust`).
    tags = {**form_tags(form), **inherited}
    passed_on = [value for name, value in form.items() if name.startswith("TransitiveTagKeys.member.")]
    context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    context |= {"aws:TagKeys": list(tags)} if tags else {}
    context |= {"sts:TransitiveTagKeys": passed_on} if passed_on else {}
    named = ("ExternalId", "RoleSessionName", "SourceIdentity")
    context |= {f"sts:{name}": form[name] for name in named if name in form}
    resource = form.get("RoleArn", "*")
    yield IamCall(f"sts:{operation}", resource, context)
    if tags:
        yield IamCall("sts:TagSession", resource, context)
    if "SourceIdentity" in form:
        yield IamCall("sts:SetSourceIdentity", resource, context)
