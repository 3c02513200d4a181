"""Limits that AWS sets, or that we set for a stated reason: the last value that fits and the first that does not."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from session_scoping import InvalidInputError, SessionTags
from session_scoping.contract.jws import LONGEST_TOKEN, UnverifiedToken, compact, key_id_of, signing_input
from session_scoping.contract.names import RoleArn, check_session_name, check_source_identity, session_name_for
from session_scoping.contract.revocations import revoked_sessions
from session_scoping.contract.source_identity import SourceIdentity, check_tenant
from session_scoping.contract.tags import parse_tag_keys
from session_scoping.contract.task_token import TaskToken, check_issuer, check_plain
from session_scoping.contract.users import check_identity_provider, parse_user_id

UUID = "11111111-2222-3333-4444-555555555555"
TOKEN = TaskToken.for_task(
    SessionTags(task_id="T1"), issuer="https://issuer.example.com", audience="broker", issued_at=1_000
)


def role(name: str = "Role", *, partition: str = "aws", account: str = "111122223333", path: str = "") -> object:
    """Read a role's ARN."""
    return RoleArn.parse(f"arn:{partition}:iam::{account}:role/{path}{name}", where="the role")


def key(*, partition: str = "aws", region: str = "eu-west-1", account: str = "111122223333", id: str = UUID) -> object:
    """Read a signing key's ARN."""
    return key_id_of(f"arn:{partition}:kms:{region}:{account}:key/{id}")


def token_of_length(length: int) -> str:
    """Return a token's text of exactly this length."""
    for audience in ("a", "aa"):
        signed = signing_input(replace(TOKEN, audience=audience), key_id=UUID)
        left = length - len(signed) - 1
        if left % 4 != 1:  # base64 without padding has no such length
            return compact(signed, bytes(left * 3 // 4))
    raise AssertionError


Make = Callable[[int], object]
LIMITS: dict[str, tuple[Make, int, int]] = {
    # STS API_Tag.
    "tags of a session": (lambda n: parse_tag_keys([f"k{i}" for i in range(n)]), 1, 50),
    "characters of a tag key": (lambda n: parse_tag_keys(["k" * n]), 1, 128),
    "characters of a tag value": (lambda n: SessionTags(task_id="x" * n), 1, 256),
    # botocore's bedrock-agentcore model, UserIdType.
    "characters of a user id": (lambda n: parse_user_id(f"p+{'s' * (n - 2)}"), 3, 128),
    "characters of an identity provider's name": (lambda n: check_identity_provider("p" * n), 1, 32),
    # STS API_AssumeRole.
    "characters of a role session name": (lambda n: check_session_name("n" * n), 2, 64),
    "characters of a source identity": (lambda n: check_source_identity("n" * n), 2, 64),
    "characters of a tenant with the shortest session": (lambda n: SourceIdentity("t" * n, "s"), 1, 56),
    "characters of a tenant": (lambda n: check_tenant("t" * n), 1, 56),
    # IAM reference-arns and CreateRole.
    "characters of a role's name": (lambda n: role("r" * n), 1, 64),
    "characters of a folder in a role's path": (lambda n: role(path=f"{'p' * n}/"), 1, 128),
    "digits of a role's account": (lambda n: role(account="1" * n), 12, 12),
    "digits of a key's account": (lambda n: key(account="1" * n), 12, 12),
    "characters of a key's Region": (lambda n: key(region="r" * n), 1, 32),
    # KMS, key id.
    "digits that a multi-Region key's id has": (lambda n: key(id=f"mrk-{'a' * n}"), 32, 32),
    "digits that a key's id starts with": (lambda n: key(id=f"{'1' * n}-2222-3333-4444-555555555555"), 8, 8),
    "digits in the middle of a key's id": (lambda n: key(id=f"11111111-{'2' * n}-3333-4444-555555555555"), 4, 4),
    "digits that a key's id ends with": (lambda n: key(id=f"11111111-2222-3333-4444-{'5' * n}"), 12, 12),
    # IAM API_CreateOpenIDConnectProvider.
    "characters of an issuer": (lambda n: check_issuer(f"https://{'h' * 99}/{'p' * (n - 108)}"), 0, 255),
    "characters of an issuer's host": (lambda n: check_issuer(f"https://{'h' * n}"), 1, 200),
    "characters of an issuer's path": (lambda n: check_issuer(f"https://h/{'p' * n}"), 0, 200),
    "characters of an audience": (lambda n: check_plain("audience", "a" * n), 1, 255),
    "characters of a token's id": (lambda n: replace(TOKEN, token_id="i" * n), 16, 64),
    # A role session lasts twelve hours at most.
    "seconds of a token": (lambda n: replace(TOKEN, expires_at=TOKEN.issued_at + n), 1, 43_200),
    "characters of a key id in a token": (
        lambda n: UnverifiedToken.parse(compact(signing_input(TOKEN, key_id="k" * n), b"s")),
        1,
        128,
    ),
    "digits of a part of a second": (lambda n: revoked_sessions(f"2026-11-21T10:00:00.{'1' * n}Z", {}), 1, 6),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_limit_is_kept_from_both_sides(name: str) -> None:
    """What just fits is taken, and one more or one less is refused."""
    make, least, most = LIMITS[name]
    assert make(least)
    assert make(most)
    for outside in (least - 1, most + 1):
        if outside >= 0:
            with pytest.raises(InvalidInputError):
                make(outside)


def test_the_longest_token_sts_takes_is_written_and_read() -> None:
    """20,000 characters are a token, and one more is none to the writer or the reader."""
    longest = token_of_length(LONGEST_TOKEN)
    assert len(longest) == LONGEST_TOKEN == 20_000
    assert UnverifiedToken.parse(longest).claims.tags == TOKEN.tags
    with pytest.raises(InvalidInputError, match="got 20001 characters"):
        token_of_length(LONGEST_TOKEN + 1)
    with pytest.raises(InvalidInputError, match="got 20001 characters"):
        UnverifiedToken.parse(f"{longest}A")


def test_a_task_lasts_eight_hours_by_default() -> None:
    """The default is AgentCore's longest session, and both clocks of a token start when it is issued."""
    assert TOKEN.expires_at - TOKEN.issued_at == 8 * 3600
    assert TOKEN.not_before == TOKEN.issued_at


def test_the_last_second_of_the_calendar_is_the_latest() -> None:
    """A time that no datetime can hold is no time, nor is one before 1970."""
    last = 253_402_300_799
    assert replace(TOKEN, issued_at=last - 1, not_before=last - 1, expires_at=last)
    assert replace(TOKEN, issued_at=0, not_before=0, expires_at=1)
    for issued, valid, ends in ((last, last, last + 1), (-1, 0, 1), (0, -1, 1)):
        with pytest.raises(InvalidInputError):
            replace(TOKEN, issued_at=issued, not_before=valid, expires_at=ends)


def test_a_name_made_from_an_id_is_as_long_as_sts_takes() -> None:
    """The start of the id, `=`, and 24 digits of its digest fill the 64 characters."""
    made = session_name_for(SessionTags(task_id="t" * 65))
    start, _, digest = made.rpartition("=")
    assert (len(made), len(digest), set(start)) == (64, 24, {"t"})
    assert session_name_for(SessionTags(task_id="t" * 64)) == "t" * 64
