"""What an error says that it got: the kind of value or its length, and never the value."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from session_scoping import InvalidInputError, SessionTags
from session_scoping.agent.sources.credential_broker import BrokeredRole
from session_scoping.agent.sources.token_source import TokenSource
from session_scoping.agent.sources.web_identity import check_duration
from session_scoping.commands.revoke.command import tags_from
from session_scoping.contract.jws import UnverifiedToken, key_id_of
from session_scoping.contract.key_formats import KeyFormat
from session_scoping.contract.names import RoleArn, check_session_name, check_source_identity
from session_scoping.contract.revocations import revoked_sessions
from session_scoping.contract.source_identity import SourceIdentity, check_tenant
from session_scoping.contract.tags import parse_tag_keys
from session_scoping.contract.task_token import check_issuer, check_plain
from session_scoping.contract.users import check_identity_provider, parse_user_id
from session_scoping.orchestrator import _end


def _role(value: Any) -> object:
    return RoleArn.parse(value, where="the role")


def _broker(value: Any) -> object:
    return BrokeredRole(function=value, tokens=TokenSource("t"), role=None, session_name="T1", region_name="eu-west-1")


# Each takes text, and says how long a wrong one is.
TAKE_TEXT: dict[str, tuple[Callable[[Any], object], str]] = {
    "a user id": (parse_user_id, "x" * 129),
    "an identity provider": (check_identity_provider, "Secret"),
    "a signing key": (key_id_of, "alias/secret"),
    "a role session name": (check_session_name, "secret/name"),
    "a source identity": (check_source_identity, "secret:name"),
    "a tenant": (check_tenant, "secret=tenant"),
    "an issuer": (check_issuer, "http://secret"),
    "an audience": (lambda value: check_plain("audience", value), "secret audience"),
    "a session tag": (lambda value: SessionTags(task_id=value), "x" * 257),
    "a tag key": (lambda value: parse_tag_keys([value]), "k" * 129),
    "a revoked value": (lambda value: revoked_sessions(None, {"task_id": [value]}), "x" * 257),
    "a token": (UnverifiedToken.parse, "x" * 20_001),
    "a role": (_role, "secret-role"),
    "a broker's function": (_broker, "secret function"),
}


@pytest.mark.parametrize("name", TAKE_TEXT)
def test_text_is_shown_by_its_length_and_anything_else_by_its_kind(name: str) -> None:
    """The reader learns what was wrong with the value, and a log does not learn the value."""
    make, text = TAKE_TEXT[name]
    with pytest.raises(InvalidInputError, match=f"got {len(text)} characters") as caught:
        make(text)
    assert text not in str(caught.value)
    for other in (7, None):
        with pytest.raises(InvalidInputError, match=f"got a {type(other).__name__}"):
            make(other)


SAID: dict[str, tuple[Callable[[], object], str]] = {
    "the same tag key twice": (lambda: parse_tag_keys(["a", "a"]), "got the same key twice"),
    "tag keys that differ in case": (lambda: parse_tag_keys(["a", "A"]), "got two keys equal but for their case"),
    "an identity of another form": (lambda: SourceIdentity.parse("agent=t"), "got text of another form"),
    "no text for an identity": (lambda: SourceIdentity.parse(7), "got a int"),  # type: ignore[arg-type]
    "two ends of a token": (
        lambda: _end(0, datetime.now(UTC), timedelta(hours=1)),
        "got both expires_at and lifetime",
    ),
    "an end without a zone": (lambda: _end(0, datetime(2026, 1, 1), None), "got a time without a zone"),  # noqa: DTZ001
    "leading keys side by side": (
        lambda: KeyFormat.leading_key("{a}-{b}", ["a", "b"]),
        "fix: part the tags with `#`$",
    ),
    "object keys side by side": (
        lambda: KeyFormat.object_key("{a}-{b}", ["a", "b"]),
        "fix: part the tags with `#` or `/`$",
    ),
    "a tag without a value": (lambda: tags_from(["a"]), "a --tag cannot be read: got text without `=`"),
    "a tag given twice": (lambda: tags_from(["a=1", "a=2"]), "--tag `a` is given twice: got two values"),
    "a time without a zone": (
        lambda: revoked_sessions(datetime(2026, 1, 1)),  # noqa: DTZ001
        "got a time without a time zone",
    ),
    "no time": (lambda: revoked_sessions(7), "got a int"),  # type: ignore[arg-type]
    "too short a web identity": (lambda: check_duration(899), "got 899,"),
    "a fraction of a second": (lambda: check_duration(900.5), "got a float,"),  # type: ignore[arg-type]
    "an empty role": (lambda: _role(" "), "got a blank value"),
    "another ARN": (lambda: _role("arn:aws:s3:::bucket"), "got 'arn:aws:s3:::bucket'"),
    "a long ARN": (lambda: _role(f"arn:{'x' * 200}"), f"got 'arn:{'x' * 116}',"),
}


@pytest.mark.parametrize("name", SAID)
def test_two_mistakes_have_two_messages(name: str) -> None:
    """Two mistakes behind one check differ by what was got, or by the fix."""
    make, said = SAID[name]
    with pytest.raises(InvalidInputError, match=said):
        make()
