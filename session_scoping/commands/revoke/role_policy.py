"""The inline policy of a role that holds its revocations: read, merged, put, lifted."""

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from session_scoping.commands.unreadable import UnreadableAnswerError, reading, text_of
from session_scoping.contract.boto_errors import Answer
from session_scoping.contract.errors import InvalidInputError, QuotaExceededError, SessionScopingError
from session_scoping.contract.metadata import NARROWING
from session_scoping.contract.revocations import POLICY_NAME, RevokedSessions, document_of, from_statement

# Source: IAM reference_iam-quotas: all inline policies of a role together.
INLINE_POLICIES_MAX = 10_240
_LOOKS, _PAUSE_SECONDS = 15, 2.0

_UNKNOWN = "whether it took effect is not known: look with --list"

Statements = list[dict[str, Any]]


class NotAppliedError(SessionScopingError):
    """AWS took no revocation, or does not show it."""


class RolePolicy:
    """
    The revocations of one deployed role.

    One operator at a time: IAM has no compare-and-set, so that of two people who put at once the later one wins. What
    was put is read back, and a difference is an error.

    Args:
        iam: A boto3 IAM client.
        role: Name or ARN of the role.
        sleep: Waits some seconds. Default: `time.sleep`.

    Raises:
        InvalidInputError: The ARN is of a role in another account than the client's.
    """

    def __init__(self, iam: Any, role: str, *, sleep: Callable[[float], object] = time.sleep) -> None:
        self._iam, self._sleep = iam, sleep
        self.name = role.rpartition("/")[2]
        with reading("GetRole"):
            response = iam.get_role(RoleName=self.name)
            self.arn = text_of(response["Role"]["Arn"])
        self.seen_at = _server_time(response)
        trust = response["Role"].get("AssumeRolePolicyDocument", "")
        self._trust = (trust if isinstance(trust, str) else json.dumps(trust)).lower()
        tags = response["Role"].get("Tags", [])
        self._narrows = any(tag.get("Key") == NARROWING and tag.get("Value") == "on" for tag in tags)
        if role.startswith("arn:") and role != self.arn:
            raise InvalidInputError(
                "the role of these credentials' account is another one",
                got=f"{self.arn}",
                expected="the ARN that was given",
                why="the sessions of the role in question would live on",
                fix="use a --profile of the role's account",
            )

    def require_declared(self, keys: Iterable[str]) -> None:
        """
        Refuse a tag that the role's trust policy does not speak of.

        Raises:
            InvalidInputError: Sessions of this role do not carry it, as far as its trust says.
        """
        if unknown := [key for key in keys if not self._names(key)]:
            raise InvalidInputError(
                "the trust policy of this role does not speak of a tag",
                got=", ".join(f"`{key}`" for key in unknown),
                expected="a tag its sessions carry",
                why="the Deny might never fire and would look as if it did",
                fix="check the spelling; if it is right, leave --apply out and put the document by hand",
            )

    def require_reached(self, revoked: RevokedSessions) -> None:
        """
        Refuse a time as the only mark of the sessions where they may have narrowed themselves.

        Raises:
            InvalidInputError: The role admits GetScopedCredentials, and the time may not reach what it made.
        """
        if self._narrows and revoked.before:
            raise InvalidInputError(
                "a revocation by time may not reach every session of this role",
                got="--before, and a role whose sessions may call sts:GetScopedCredentials",
                expected="--tag alone, such as --tag task_id=T1 or --tag user_id=U1",
                why="AWS does not document which issue time narrowed credentials carry",
                fix="revoke by tag; or pass --anyway, cut the minter off, and repeat it until all have ended",
            )

    def _names(self, key: str) -> bool:
        lowered = key.lower()
        return f'"aws:requesttag/{lowered}"' in self._trust or f'"{lowered}"' in self._trust

    def read(self) -> Statements:
        """Return the statements of the policy; none where there is no policy."""
        try:
            with reading("GetRolePolicy"):
                document = self._iam.get_role_policy(RoleName=self.name, PolicyName=POLICY_NAME)["PolicyDocument"]
                return _statements_of(json.loads(document) if isinstance(document, str) else document)
        except ClientError as error:
            # The role exists: it was read first.
            if Answer.of(error).code == "NoSuchEntity":
                return []
            raise

    def write(self, statements: Sequence[Mapping[str, Any]]) -> None:
        """
        Put the statements in place of what the policy holds, and wait until IAM shows them; without any, delete it.

        Raises:
            QuotaExceededError: They are larger than a role's inline policies may be.
            NotAppliedError: IAM shows something else.
        """
        if statements:
            document = document_text(statements)
            with reading("PutRolePolicy", consequence=_UNKNOWN):
                self._iam.put_role_policy(RoleName=self.name, PolicyName=POLICY_NAME, PolicyDocument=document)
        else:
            with reading("DeleteRolePolicy", consequence=_UNKNOWN):
                self._iam.delete_role_policy(RoleName=self.name, PolicyName=POLICY_NAME)
        for look in range(_LOOKS):
            if look:
                self._sleep(_PAUSE_SECONDS)
            if self._shows([dict(one) for one in statements]):
                return
        raise NotAppliedError(
            f"IAM does not show the policy that was put: got another one for {_LOOKS * _PAUSE_SECONDS:.0f} seconds, "
            "expected what was written; somebody else may have changed it at the same time; fix: look with --list and "
            "run the command again"
        )

    def _shows(self, statements: Statements) -> bool:
        try:
            return self.read() == statements
        except (ClientError, UnreadableAnswerError) as error:
            code = Answer.of(error).code if isinstance(error, ClientError) else "an answer that cannot be read"
            raise NotAppliedError(
                f"IAM took the policy, and it could not be read back: got {code}, expected its text; whether somebody "
                "else changed it at the same time is not known; fix: look with --list"
            ) from error


def _statements_of(document: Mapping[str, Any]) -> Statements:
    found = document.get("Statement", [])
    statements = [found] if isinstance(found, dict) else list(found)
    if not all(isinstance(one, dict) for one in statements):
        raise TypeError
    return statements


def document_text(statements: Sequence[Mapping[str, Any]]) -> str:
    """
    Return the document as it is put.

    Raises:
        QuotaExceededError: It is larger than a role's inline policies may be.
    """
    text = json.dumps(document_of(statements), separators=(",", ":"), ensure_ascii=False)
    if len(text) > INLINE_POLICIES_MAX:
        raise QuotaExceededError(
            f"the revocations are too large for inline policies: got {len(text)} characters, expected at most "
            f"{INLINE_POLICIES_MAX}; IAM takes no more; fix: --lift those whose sessions have ended, or revoke "
            "everything issued before now"
        )
    return text


def merged(statements: Statements, revoked: RevokedSessions) -> Statements:
    """
    Return the statements with a revocation added.

    What it covers goes (an earlier time, for the same tags); where it is covered already, nothing changes. Statements
    that are no revocations stay as they are.
    """
    known = [(statement, from_statement(statement)) for statement in statements]
    if any(other and _covers(other, revoked) for _, other in known):
        return statements
    kept = [statement for statement, other in known if not (other and _covers(revoked, other))]
    return [*kept, revoked.statement()]


def lifted(statements: Statements, sids: Sequence[str]) -> Statements:
    """
    Return the statements without those revocations; `all` means every one.

    Raises:
        InvalidInputError: There is no revocation of that name.
    """
    known = [statement["Sid"] for statement in statements if from_statement(statement)]
    wanted = set(known) if "all" in sids else set(sids)
    if unknown := sorted(wanted - set(known)):
        raise InvalidInputError(
            "there is no such revocation",
            got=", ".join(f"`{sid}`" for sid in unknown),
            expected=", ".join(f"`{sid}`" for sid in known) or "one, and the policy holds none",
            why="nothing would be lifted",
            fix="take the name from --list",
        )
    return [statement for statement in statements if statement.get("Sid") not in wanted]


def _covers(one: RevokedSessions, other: RevokedSessions) -> bool:
    if one.tags != other.tags:
        return False
    return one.before is None or (other.before is not None and one.before >= other.before)


def _server_time(response: Mapping[str, Any]) -> datetime:
    """Return AWS's clock: the one at hand may be minutes off, and minutes of sessions would live on."""
    text = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (TypeError, ValueError):
        return datetime.now(UTC)
