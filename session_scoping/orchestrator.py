"""
Issue task tokens and revoke them: the orchestrator's part. boto3 and the contract modules only.

The private key never leaves KMS. A principal that may call `kms:Sign` on it can write a token for any task: give that
permission to the orchestrator and to nobody an agent can reach.

The list of revocations is a DynamoDB table with partition key `id` (text) and the TTL attribute `expires_at`. An item
`token#<jti>` revokes one token, an item `tag#<key>#<value>` every token with that tag, such as a task's or a user's,
those issued later among them. Delete the item to take that back.

NOT PROTECTED: credentials that were handed out before go on until they expire, at most an hour later. To stop those
too, deny them on the role (`aws:TokenIssueTime`, or the tag).
"""

import re
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from botocore.config import Config
from botocore.session import Session

from session_scoping.contract.errors import InvalidInputError, SessionScopingError
from session_scoping.contract.jws import KMS_ALGORITHM, compact, digest_of, key_id_of, signing_input
from session_scoping.contract.tags import DEFAULT_TAG_KEYS, SessionTags, parse_tag_keys
from session_scoping.contract.task_token import (
    DEFAULT_LIFETIME_SECONDS,
    DEFAULT_SUBJECT,
    REVOCATION_ENDS,
    REVOCATION_ID,
    TaskToken,
    check_issuer,
    check_plain,
    revocation_of_tag,
    revocation_of_token,
)

__all__ = ["TaskTokenSigner", "revoke_tag", "revoke_token"]

_CONFIG = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 3, "mode": "standard"})
_clock = time.time


class TaskTokenSigner:
    """
    Signs task tokens with an RSA key in KMS.

    Args:
        key_id: ARN or id of the key (`SIGN_VERIFY`, RSA 2048 or larger), no alias. Its id becomes `kid`.
        issuer: `iss`: what the broker and the OIDC provider know.
        audience: `aud`: what the broker and the OIDC provider know.
        subject: `sub`. Default: `agent-task`.
        client: A boto3 KMS client. Default: one in the key's Region, with the process's own credentials.
        clock: Returns seconds since 1970. Default: the system's clock.

    Raises:
        InvalidInputError: The key is an alias, or issuer, audience or subject break the rules of a token.

    Source:
        KMS API_Sign: `RSASSA_PKCS1_V1_5_SHA_256` over a `DIGEST` is JWT's RS256.
    """

    def __init__(
        self,
        key_id: str,
        *,
        issuer: str,
        audience: str,
        subject: str = DEFAULT_SUBJECT,
        client: Any = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._kid = key_id_of(key_id)
        self._key = key_id
        self._issuer = check_issuer(issuer)
        self._audience = check_plain("audience", audience)
        self._subject = check_plain("subject", subject)
        self._client = client or _kms(key_id)
        self._clock = clock

    def issue(
        self,
        tags: SessionTags,
        *,
        expires_at: datetime | None = None,
        lifetime: timedelta | None = None,
        transitive: Iterable[str] = (),
        source_identity: str | None = None,
    ) -> str:
        """
        Return a new token of one task. It is a secret: hand it to that task only, never in an environment variable.

        Args:
            tags: The task's tags: exactly the keys the session role demands.
            expires_at: The task's end, an aware datetime, at most 12 hours away. Default: now and `lifetime`.
            lifetime: How long it lasts, at most 12 hours. Default: 8 hours. Not with `expires_at`.
            transitive: Tag keys that sessions chained from the task's inherit. Default: none.
            source_identity: What CloudTrail shows for every call. Default: the task's role session name.

        Raises:
            InvalidInputError: A claim breaks the rules of a token.
            botocore.exceptions.ClientError: KMS refused. Its message names the key and the caller, no claim.
            SessionScopingError: Another key than ours signed.
        """
        now = int(self._clock())
        token = TaskToken.for_task(
            tags,
            issuer=self._issuer,
            audience=self._audience,
            subject=self._subject,
            source_identity=source_identity,
            transitive_tag_keys=transitive,
            issued_at=now,
            expires_at=_end(now, expires_at, lifetime),
        )
        signed_part = signing_input(token, key_id=self._kid)
        answer = self._client.sign(
            KeyId=self._key,
            Message=digest_of(signed_part),
            MessageType="DIGEST",
            SigningAlgorithm=KMS_ALGORITHM,
        )
        if not str(answer["KeyId"]).endswith(f"/{self._kid}"):
            raise SessionScopingError(
                "the task token was not issued: got a signature by another key, expected one by the key that was "
                "named; no verifier would accept it; fix: look at what answers for KMS"
            )
        return compact(signed_part, answer["Signature"])


def revoke_token(table_name: str, token_id: str, *, expires_at: int, client: Any = None) -> None:
    """
    Revoke one token.

    Args:
        table_name: The table.
        token_id: Its `jti`.
        expires_at: Its `exp`, after which the item is not needed.
        client: A boto3 DynamoDB client. Default: one with the process's own credentials.

    Raises:
        InvalidInputError: No token has this `jti`, or `expires_at` is no whole number, or has passed.
    """
    _put(table_name, revocation_of_token(token_id), expires_at, client)


def revoke_tag(
    table_name: str,
    key: str,
    value: str,
    *,
    tag_keys: Iterable[str] = DEFAULT_TAG_KEYS,
    expires_at: int | None = None,
    client: Any = None,
) -> None:
    """
    Revoke every token that carries a tag, such as `task_id` or `user_id`, whenever it was or will be issued.

    Args:
        table_name: The table.
        key: The tag's key, spelled as the session role declares it.
        value: The tag's value.
        tag_keys: The session role's tag keys. Default: user_id, repo, task_id, the default of SessionRole.
        expires_at: Until when, in seconds since 1970. Default: until the item is deleted. To end one task, its
            token's `exp`.
        client: A boto3 DynamoDB client. Default: one with the process's own credentials.

    Raises:
        InvalidInputError: The session role has no such tag, no session can carry the value, such as an empty one, or
            `expires_at` is no whole number, or has passed.
    """
    declared = parse_tag_keys(tag_keys)
    if key not in declared:
        raise InvalidInputError(
            "a revocation names a tag that no token carries",
            got=f"`{key}`" if isinstance(key, str) else f"a {type(key).__name__}",
            expected=f"one of {', '.join(declared)}, spelled as declared",
            why="the item would look like a revocation and revoke nobody",
            fix="name a declared tag, or pass the session role's own keys as tag_keys",
        )
    SessionTags(**{key: value})
    _put(table_name, revocation_of_tag(key, value), expires_at, client)


def _end(now: int, expires_at: datetime | None, lifetime: timedelta | None) -> int:
    if expires_at is not None and (lifetime is not None or expires_at.tzinfo is None):
        raise InvalidInputError(
            "the end of the task token is not clear",
            got="both expires_at and lifetime" if lifetime is not None else "a time without a zone",
            expected="an aware datetime as expires_at, or a lifetime",
            why="a token that lasts longer than its task can be spent after it",
            fix="pass the task's end as an aware datetime",
        )
    if expires_at is not None:
        return int(expires_at.timestamp())
    return now + (DEFAULT_LIFETIME_SECONDS if lifetime is None else int(lifetime.total_seconds()))


def _kms(key: str) -> Any:
    match = re.match("arn:[^:]+:kms:([^:]+):", key)
    return Session().create_client("kms", region_name=match[1] if match else None, config=_CONFIG)


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
    item: dict[str, Any] = {REVOCATION_ID: {"S": name}}
    if expires_at is not None:
        item[REVOCATION_ENDS] = {"N": str(expires_at)}
    writer: Any = client or Session().create_client("dynamodb")
    writer.put_item(TableName=table_name, Item=item)
