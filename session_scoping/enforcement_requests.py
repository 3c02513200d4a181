"""Turns one boto3 request on the wire into the IAM requests AWS makes of it."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from botocore.awsrequest import AWSPreparedRequest

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


def iam_calls(
    service: str, operation: str, request: AWSPreparedRequest, partition_key: PartitionKey, account: str
) -> Iterator[IamCall]:
    """
    Yield what IAM is asked for one call; an operation that is not mapped is asked for on `*`.

    Args:
        service: botocore's name of the service.
        operation: Name of the operation.
        request: The request, signed and ready to go.
        partition_key: Knows the partition key of each table.
        account: Account the tables are in.
    """
    if service == "dynamodb":
        table_arn = f"arn:aws:dynamodb:{_region(request)}:{account}:table/"
        yield from _dynamodb(operation, json.loads(_text(request) or "{}"), table_arn, partition_key)
    elif service == "s3":
        yield from _s3(operation, request)
    elif service == "sts":
        yield from _sts(operation, request)
    else:
        yield IamCall(f"{service}:{operation}", "*")


def _region(request: AWSPreparedRequest) -> str:
    header = request.headers.get("Authorization", b"")
    text = header.decode() if isinstance(header, bytes) else str(header)
    scope = text.partition("Credential=")[2].split("/")
    return scope[2] if len(scope) > 2 else "us-east-1"


def _text(request: AWSPreparedRequest) -> str:
    body = request.body
    return body.decode() if isinstance(body, bytes | bytearray) else body if isinstance(body, str) else ""


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


def _s3(operation: str, request: AWSPreparedRequest) -> Iterator[IamCall]:
    url = urlsplit(request.url)
    bucket, _, key = unquote(url.path).lstrip("/").partition("/")
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    if operation in _S3_OBJECT:
        action = _S3_OBJECT[operation]
        versioned = "versionId" in query and action in {"GetObject", "DeleteObject", "GetObjectTagging", "GetObjectAcl"}
        action = {"GetObjectTagging": "GetObjectVersionTagging", "GetObjectAcl": "GetObjectVersionAcl"}.get(
            action, f"{action}Version"
        ) if versioned else action  # fmt: skip
        yield IamCall(f"s3:{action}", f"arn:aws:s3:::{bucket}/{key}")
    elif operation == "CopyObject":
        source = unquote(str(request.headers.get("x-amz-copy-source", ""))).lstrip("/").partition("?")[0]
        yield IamCall("s3:GetObject", f"arn:aws:s3:::{source}")
        yield IamCall("s3:PutObject", f"arn:aws:s3:::{bucket}/{key}")
    elif operation == "DeleteObjects":
        for deleted in re.findall(r"<Key>(.*?)</Key>", _text(request)):
            yield IamCall("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{deleted}")
    elif operation == "ListBuckets":
        yield IamCall("s3:ListAllMyBuckets", "*")
    else:
        yield IamCall(f"s3:{_S3_BUCKET.get(operation, operation)}", f"arn:aws:s3:::{bucket}")


def _sts(operation: str, request: AWSPreparedRequest) -> Iterator[IamCall]:
    form = dict(parse_qsl(_text(request), keep_blank_values=True))
    keys = [name for name in form if name.startswith("Tags.member.") and name.endswith(".Key")]
    tags = {form[name]: form[name.removesuffix("Key") + "Value"] for name in keys}
    passed_on = [value for name, value in form.items() if name.startswith("TransitiveTagKeys.member.")]
    context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    context |= {"aws:TagKeys": list(tags)} if tags else {}
    context |= {"sts:TransitiveTagKeys": passed_on} if passed_on else {}
    resource = form.get("RoleArn", "*")
    yield IamCall(f"sts:{operation}", resource, context)
    if tags:
        yield IamCall("sts:TagSession", resource, context)
