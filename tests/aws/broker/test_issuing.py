"""What the orchestrator signs, checked with a JWT library that knows nothing of ours."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from joserfc import jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import RSAKey

from session_scoping import InvalidInputError, SessionScopingError, SessionTags
from session_scoping.orchestrator import TaskTokenSigner
from tests.aws.broker.conftest import AUDIENCE, ISSUER
from tests.support.stand_in_aws import KEY_ARN, KEY_ID, OTHER_KEY_ID, StandInAws, private_key, refusal
from tests.support.task import AMBIENT_KEY, TAGS, MovableClock


def decoded(token: str, key_id: str = KEY_ID) -> jwt.Token:
    """Return a token as joserfc reads and verifies it."""
    public = private_key(key_id).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return jwt.decode(token, RSAKey.import_key(pem), algorithms=["RS256"])


def test_another_library_verifies_what_kms_signed(signer: TaskTokenSigner, now: MovableClock, aws: StandInAws) -> None:
    """The token is a standard RS256 JWT with the claims of STS, from one call of kms:Sign."""
    read = decoded(signer.issue(TAGS, lifetime=timedelta(hours=1)))
    at = int(now().timestamp())
    assert read.header == {"alg": "RS256", "typ": "JWT", "kid": KEY_ID}
    assert read.claims.pop("jti")
    assert read.claims == {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "agent-task",
        "iat": at,
        "nbf": at,
        "exp": at + 3600,
        "https://aws.amazon.com/tags": {"principal_tags": {key: [value] for key, value in TAGS.items()}},
        "https://aws.amazon.com/source_identity": "task-0042",
    }
    assert [(call.action, call.signed_by) for call in aws.calls] == [("kms:Sign", AMBIENT_KEY)]


def test_another_library_refuses_another_key(signer: TaskTokenSigner) -> None:
    """The check above can fail: the other key's public half does not verify."""
    with pytest.raises(BadSignatureError):
        decoded(signer.issue(TAGS), OTHER_KEY_ID)


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [({}, 28_800), ({"lifetime": timedelta(minutes=20)}, 1200), ({"lifetime": timedelta(hours=12)}, 43_200)],
)
def test_a_token_ends_with_its_task(
    arguments: dict[str, Any], seconds: int, signer: TaskTokenSigner, now: MovableClock
) -> None:
    """Eight hours unless the task's end is known, and the same end by either argument."""
    ends = now() + timedelta(seconds=seconds)
    assert decoded(signer.issue(TAGS, **arguments)).claims["exp"] == int(ends.timestamp())
    assert decoded(signer.issue(TAGS, expires_at=ends)).claims["exp"] == int(ends.timestamp())


@pytest.mark.parametrize(
    "arguments",
    [
        {"lifetime": timedelta(hours=12, seconds=1)},
        {"lifetime": timedelta(0)},
        {"expires_at": datetime(2026, 3, 1, 13)},  # noqa: DTZ001 - the mistake
        {"expires_at": datetime(2026, 3, 1, 13, tzinfo=UTC), "lifetime": timedelta(hours=1)},
        {"source_identity": "agent:x"},
        {"transitive": ["team"]},
        {"transitive": "task_id"},
    ],
)
def test_what_breaks_a_rule_is_not_signed(arguments: dict[str, Any], signer: TaskTokenSigner, aws: StandInAws) -> None:
    """KMS is not asked for a token nobody would accept."""
    with pytest.raises(InvalidInputError):
        signer.issue(TAGS, **arguments)
    assert aws.calls == []


def test_source_identity_and_transitive_tags_are_the_orchestrator_s_choice(signer: TaskTokenSigner) -> None:
    """Both reach the claims STS reads."""
    claims = decoded(signer.issue(TAGS, source_identity="tenant.a+job.7", transitive=["task_id"])).claims
    assert claims["https://aws.amazon.com/source_identity"] == "tenant.a+job.7"
    assert claims["https://aws.amazon.com/tags"]["transitive_tag_keys"] == ["task_id"]


def test_a_task_id_sts_would_refuse_as_a_name_still_has_a_legal_source_identity(signer: TaskTokenSigner) -> None:
    """The default is the role session name, which is legal for every id."""
    claims = decoded(signer.issue(SessionTags(task_id="t:" + "x" * 200))).claims
    assert claims["https://aws.amazon.com/source_identity"].startswith("t-xxx")
    assert len(claims["https://aws.amazon.com/source_identity"]) == 64


def test_a_signature_by_another_key_is_noticed(signer: TaskTokenSigner, aws: StandInAws) -> None:
    """A proxy or an alias that leads elsewhere does not make tokens that nobody accepts."""

    def other(call: Any) -> Any:
        return None if call.body["KeyId"] != KEY_ARN else aws._sign({**call.body, "KeyId": OTHER_KEY_ID})

    aws.behave = other
    with pytest.raises(SessionScopingError, match="another key"):
        signer.issue(TAGS)


def test_a_refusal_of_kms_holds_no_claim(signer: TaskTokenSigner, aws: StandInAws) -> None:
    """KMS sees a digest only, so nothing it says can repeat a tag."""
    aws.behave = lambda _: refusal("AccessDeniedException", 400)
    with pytest.raises(ClientError) as caught:
        signer.issue(TAGS)
    assert TAGS["user_id"] not in str(caught.value)
    assert TAGS["user_id"] not in str(aws.calls)


def test_an_alias_or_a_bad_issuer_makes_no_signer() -> None:
    """Mistakes show where the orchestrator starts."""
    for key, issuer, audience in (
        ("alias/tokens", ISSUER, AUDIENCE),
        (KEY_ARN, "http://x", AUDIENCE),
        (KEY_ARN, ISSUER, ""),
    ):
        with pytest.raises(InvalidInputError):
            TaskTokenSigner(key, issuer=issuer, audience=audience, client=object())
