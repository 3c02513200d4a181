"""
The list of what is revoked: a DynamoDB table with partition key `id` (text) and the TTL attribute `expires_at`.

An item `token#<jti>` revokes one token, an item `tag#<key>#<value>` every token with that tag, such as a task's or
a user's, those issued later among them. Delete the item to take that back.

**Not protected:** credentials that were handed out before go on until they expire, at most an hour later. To stop
those too, deny them on the role (`aws:TokenIssueTime`, or the tag).
"""

import time
from typing import Any

from botocore.session import Session

from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.task_token import TaskToken
from session_scoping.lambdas.credential_broker.refusal import RefusedError

KEY = "id"
EXPIRES_AT = "expires_at"
_clock = time.time


def revoke_token(table_name: str, token_id: str, *, expires_at: int, client: Any = None) -> None:
    """
    Revoke one token.

    Args:
        table_name: The table.
        token_id: Its `jti`.
        expires_at: Its `exp`, after which the item is not needed.
        client: A boto3 DynamoDB client. Default: one with the process's own credentials.
    """
    _put(table_name, f"token#{token_id}", expires_at, client)


def revoke_tag(table_name: str, key: str, value: str, *, expires_at: int | None = None, client: Any = None) -> None:
    """
    Revoke every token that carries a tag, such as `task_id` or `user_id`, whenever it was or will be issued.

    Args:
        table_name: The table.
        key: The tag's key.
        value: The tag's value.
        expires_at: Until when, in seconds since 1970. Default: until the item is deleted. To end one task, its
            token's `exp`.
        client: A boto3 DynamoDB client. Default: one with the process's own credentials.

    Raises:
        InvalidInputError: `expires_at` is no whole number, or has passed.
    """
    _put(table_name, f"tag#{key}#{value}", expires_at, client)


def check_not_revoked(token: TaskToken, *, table_name: str, now: float, client: Any) -> None:
    """
    Refuse a token that is on the list, or whose place on the list cannot be read completely.

    Read strongly consistently, so that a revocation counts from the moment it was written. An item whose
    `expires_at` is past does not count, whether or not DynamoDB has deleted it yet.
    """
    ids = [f"token#{token.token_id}", *(f"tag#{key}#{value}" for key, value in token.tags.items())]
    keys = [{KEY: {"S": one}} for one in ids]
    # Source: DynamoDB API_BatchGetItem: at most 100 keys; a token has at most 51.
    answer = client.batch_get_item(RequestItems={table_name: {"Keys": keys, "ConsistentRead": True}})
    responses = answer.get("Responses")
    if answer.get("UnprocessedKeys"):
        raise RefusedError("Throttled", "revocation", "UnprocessedKeys")
    if not isinstance(responses, dict) or len(responses) != 1:
        raise RefusedError("Unavailable", "revocation", "Responses")
    if any(_counts(item, now) for items in responses.values() for item in items):
        raise RefusedError("TokenRevoked", "revocation")


def _counts(item: dict[str, Any], now: float) -> bool:
    try:
        return float(item[EXPIRES_AT]["N"]) > now
    except (KeyError, TypeError, ValueError):
        return True


def _put(table_name: str, name: str, expires_at: int | None, client: Any) -> None:
    # An item of another type would never expire, or at once.
    if expires_at is not None and type(expires_at) is not int:
        raise InvalidInputError(
            "expires_at of a revocation is not a whole number",
            got=f"a {type(expires_at).__name__}",
            expected="seconds since 1970",
            why="DynamoDB deletes items by a number of seconds only",
            fix="pass int(moment.timestamp())",
        )
    if expires_at is not None and expires_at <= _clock():
        raise InvalidInputError(
            "expires_at of a revocation has passed",
            got="a time in the past",
            expected="a time to come, or none",
            why="the broker would not count it, and nothing would be revoked",
            fix="leave it out: a tag is then revoked until its item is deleted",
        )
    item: dict[str, Any] = {KEY: {"S": name}}
    if expires_at is not None:
        item[EXPIRES_AT] = {"N": str(expires_at)}
    writer: Any = client or Session().create_client("dynamodb")
    writer.put_item(TableName=table_name, Item=item)
