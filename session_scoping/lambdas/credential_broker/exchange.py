"""The three calls of an exchange: KMS checks the signature, DynamoDB the list, STS makes the session."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config
from botocore.session import Session

from session_scoping.contract.arns import field_of
from session_scoping.contract.jws import KMS_ALGORITHM, UnverifiedToken
from session_scoping.contract.task_token import (
    REVOCATION_ENDS,
    REVOCATION_ID,
    TaskToken,
    revocation_of_tag,
    revocation_of_token,
)
from session_scoping.lambdas.credential_broker.refusal import RefusedError, refusal_of
from session_scoping.lambdas.credential_broker.settings import Settings

CONFIG = Config(connect_timeout=1, read_timeout=1.5, retries={"total_max_attempts": 2, "mode": "standard"})
LONGEST_CALL_SECONDS = 6.0
"""Two attempts of 2.5 seconds under `CONFIG`, and up to a second between them."""

LONGEST_SECONDS = 3600
"""Source: STS API_AssumeRole: a role that assumes a role gets one hour at most."""

SHORTEST_SECONDS = 900
"""Source: STS API_AssumeRole, DurationSeconds. So credentials may outlive their token by up to 14 minutes."""


class Exchange:
    """
    Makes the calls. One per cold start: its clients stay open.

    Args:
        settings: What the environment says.
        session: Where its clients come from. Default: the function's own role.
    """

    def __init__(self, settings: Settings, session: Session | None = None) -> None:
        session = session or Session()
        # The global endpoint is one Region far away, and its quota is shared.
        session.set_config_variable("sts_regional_endpoints", "regional")
        self.settings = settings
        # The key's Region is the function's own, unless somebody shares a key between Regions.
        self._kms: Any = session.create_client("kms", region_name=field_of(settings.key_arn, "region"), config=CONFIG)
        self._table: Any = session.create_client("dynamodb", config=CONFIG)
        self._sts: Any = session.create_client("sts", config=CONFIG)

    def check_signature(self, token: UnverifiedToken) -> None:
        """Refuse a token the signing key did not sign."""
        answer = self._call(
            "signature",
            lambda: self._kms.verify(
                KeyId=self.settings.key_arn,
                Message=token.digest,
                MessageType="DIGEST",
                Signature=token.signature,
                SigningAlgorithm=KMS_ALGORITHM,
            ),
        )
        if answer.get("SignatureValid") is not True or answer.get("KeyId") != self.settings.key_arn:
            raise RefusedError("TokenRefused", "signature")

    def check_not_revoked(self, token: TaskToken, now: float) -> None:
        """Refuse a token that is revoked, or may be."""
        self._call(
            "revocation",
            lambda: check_not_revoked(token, table_name=self.settings.table, now=now, client=self._table),
        )

    def assume(self, token: TaskToken, now: float) -> dict[str, Any]:
        """Return the credentials of a session with exactly the token's tags, name and source identity."""
        name = token.session_name
        transitive = {"TransitiveTagKeys": list(token.transitive_tag_keys)} if token.transitive_tag_keys else {}
        answer = self._call(
            "assume",
            lambda: self._sts.assume_role(
                RoleArn=self.settings.role.text,
                RoleSessionName=name,
                DurationSeconds=max(SHORTEST_SECONDS, min(LONGEST_SECONDS, int(token.expires_at - now))),
                Tags=token.tags.for_sts(),
                SourceIdentity=token.source_identity,
                **transitive,
            ),
        )
        if answer.get("AssumedRoleUser", {}).get("Arn") != self.settings.role.session_arn(name):
            raise RefusedError("Unavailable", "assume", "AssumedRoleUser")
        return _answer(answer)

    def _call(self, check: str, call: Callable[[], Any]) -> Any:
        refused: RefusedError
        try:
            return call()
        except Exception as error:
            refused = refusal_of(error, check)
        # Here, not above: botocore's exceptions carry requests, and a chained one would carry them along.
        raise refused


def _answer(answer: dict[str, Any]) -> dict[str, Any]:
    keys, ends = answer.get("Credentials", {}), answer.get("Credentials", {}).get("Expiration")
    if not isinstance(ends, datetime) or not all(
        isinstance(keys.get(name), str) for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
    ):
        raise RefusedError("Unavailable", "assume", "Credentials")
    return {
        "Credentials": {
            "AccessKeyId": keys["AccessKeyId"],
            "SecretAccessKey": keys["SecretAccessKey"],
            "SessionToken": keys["SessionToken"],
            "Expiration": ends.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "AssumedRoleUser": {"Arn": answer["AssumedRoleUser"]["Arn"]},
    }


def check_not_revoked(token: TaskToken, *, table_name: str, now: float, client: Any) -> None:
    """
    Refuse a token that is on the list, or whose place on the list cannot be read completely.

    Read strongly consistently, so that a revocation counts from the moment it was written. An item whose
    `expires_at` is past does not count, whether or not DynamoDB has deleted it yet.
    """
    ids = [revocation_of_token(token.token_id), *(revocation_of_tag(*tag) for tag in token.tags.items())]
    keys = [{REVOCATION_ID: {"S": one}} for one in ids]
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
        return float(item[REVOCATION_ENDS]["N"]) > now
    except (KeyError, TypeError, ValueError):
        return True
