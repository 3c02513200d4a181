"""The task token: its claims, its compact form, and everything that is not one."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session_scoping import InvalidInputError, SessionTags
from session_scoping.contract.jws import LONGEST_TOKEN, UnverifiedToken, compact, digest_of, key_id_of, signing_input
from session_scoping.contract.names import session_name_for
from session_scoping.contract.task_token import LONGEST_LIFETIME_SECONDS, TaskToken

TAGS = SessionTags(user_id="planted-user", repo="planted/repo", task_id="task-1")
TAGS_CLAIM = "https://aws.amazon.com/tags"
SOURCE_IDENTITY_CLAIM = "https://aws.amazon.com/source_identity"
KEY = "11111111-2222-3333-4444-555555555555"


def token(tags: SessionTags = TAGS, **changes: Any) -> TaskToken:
    """Return a token from a fixed second, with some arguments changed."""
    arguments: dict[str, Any] = {"issuer": "https://t.example/a", "audience": "aud", "issued_at": 1_000_000, **changes}
    return TaskToken.for_task(tags, **arguments)


def part(value: object) -> str:
    """Return base64url of a JSON value, or of text as it is."""
    text = value if isinstance(value, str) else json.dumps(value)
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


HEADER = {"alg": "RS256", "typ": "JWT", "kid": KEY}


def text(header: object = HEADER, claims: object = None, signature: str = "c2lnMQ") -> str:
    """Return a compact text of any header and claims."""
    return f"{part(header)}.{part(token().claims() if claims is None else claims)}.{signature}"


def test_the_claims_are_the_ones_sts_reads() -> None:
    """Every tag is a list of one value, and the source identity has a claim of its own."""
    made = token(transitive_tag_keys=["task_id"])
    claims = made.claims()
    assert claims == {
        "iss": "https://t.example/a",
        "aud": "aud",
        "sub": "agent-task",
        "iat": 1_000_000,
        "nbf": 1_000_000,
        "exp": 1_028_800,
        "jti": made.token_id,
        "https://aws.amazon.com/tags": {
            "principal_tags": {"user_id": ["planted-user"], "repo": ["planted/repo"], "task_id": ["task-1"]},
            "transitive_tag_keys": ["task_id"],
        },
        "https://aws.amazon.com/source_identity": "task-1",
    }


def test_without_transitive_tags_the_key_is_left_out() -> None:
    """A trust policy that demands no transitive tags must see none."""
    assert "transitive_tag_keys" not in token().claims()[TAGS_CLAIM]


def test_two_tokens_have_two_ids() -> None:
    """One token can be revoked without the others."""
    assert token().token_id != token().token_id


def test_an_id_is_128_bits_in_hexadecimal() -> None:
    """Long enough that nobody guesses one, short enough to read out of a log."""
    assert re.fullmatch("[0-9a-f]{32}", token().token_id)


def test_no_repr_shows_a_value() -> None:
    """Printing a token shows the names of its claims, and a parsed one shows nothing."""
    made = token()
    parsed = UnverifiedToken.parse(text())
    assert "planted" not in f"{made!r} {made!s} {[made]} {parsed!r}"
    assert "exp=…" in repr(made)


VALUES = st.text(st.sampled_from("abcZ09 _.:=+@-éß日😀"), min_size=1, max_size=60).filter(
    lambda value: ".." not in value and value != "." and "😀" not in value
)


@given(
    st.dictionaries(st.sampled_from(["user_id", "repo", "task_id", "a-b", "x:y"]), VALUES, min_size=1), st.booleans()
)
def test_what_is_written_is_read(values: dict[str, str], transitive: bool) -> None:
    """Every legal token comes back from its compact form as it was, with the digest that was signed."""
    made = token(SessionTags(**values), transitive_tag_keys=tuple(values) if transitive else ())
    signed_part = signing_input(made, key_id=KEY)
    parsed = UnverifiedToken.parse(compact(signed_part, b"signature"))
    assert parsed == UnverifiedToken(made, KEY, digest_of(signed_part), b"signature")
    assert made.source_identity == session_name_for(made.tags) == made.session_name


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": "http://t.example"},
        {"issuer": "https://t.example:8443"},
        {"issuer": "https://t.example/?a=b"},
        {"issuer": "https://t.example/\n"},
        {"issuer": ""},
        {"audience": ""},
        {"audience": "two words"},
        {"audience": ["aud"]},
        {"audience": "a" * 256},
        {"subject": ""},
        {"source_identity": "agent:x"},
        {"source_identity": "x"},
        {"source_identity": "x" * 65},
        {"source_identity": "aws:x"},
        {"transitive_tag_keys": ["team"]},
        {"transitive_tag_keys": ["task_id", "task_id"]},
        {"expires_at": 1_000_000},
        {"expires_at": 1_000_000 + LONGEST_LIFETIME_SECONDS + 1},
        {"expires_at": 1_000_100.5},
        {"issued_at": -1},
        {"issued_at": True},
    ],
)
def test_a_claim_that_breaks_a_rule_is_refused(changes: dict[str, Any]) -> None:
    """The token is never made, and the message shows no tag."""
    with pytest.raises(InvalidInputError) as caught:
        token(**changes)
    assert "planted" not in str(caught.value)


NAMED: list[tuple[str, dict[str, Any]]] = [
    ("tags", {"tags": {"task_id": "T1"}}),
    ("transitive_tag_keys", {"transitive_tag_keys": ("team",)}),
    ("issuer", {"issuer": "http://t.example"}),
    ("audience", {"audience": ""}),
    ("subject", {"subject": ""}),
    ("token_id", {"token_id": "short"}),
    ("issued_at", {"issued_at": -1}),
    ("not_before", {"not_before": -1}),
    ("expires_at", {"expires_at": 1.5}),
    ("expires_at", {"expires_at": 1_000_000}),
]


@pytest.mark.parametrize(("name", "change"), NAMED)
def test_an_error_names_the_claim_that_is_wrong(name: str, change: dict[str, Any]) -> None:
    """Whoever issues tokens need not guess which argument it was."""
    with pytest.raises(InvalidInputError, match=f"^{name} of the task token is not acceptable"):
        replace(token(), **change)


def test_a_missing_claim_and_an_unknown_one_of_aws_are_named() -> None:
    """A reader says which claim is missing, and that one under AWS's namespace is too many."""
    claims = token().claims()
    for name in claims:
        with pytest.raises(InvalidInputError, match=f"^{re.escape(name)} of the task token is not acceptable"):
            TaskToken.from_claims({other: value for other, value in claims.items() if other != name})
    with pytest.raises(InvalidInputError, match=r"^claims of the task token is not acceptable"):
        TaskToken.from_claims({**claims, "https://aws.amazon.com/more": "x"})


def test_the_longest_lifetime_is_allowed() -> None:
    """Twelve hours, and not a second more."""
    assert token(expires_at=1_000_000 + LONGEST_LIFETIME_SECONDS).expires_at == 1_043_200


def test_a_token_longer_than_sts_takes_is_not_made() -> None:
    """Fifty long tags do not fit into the 20,000 characters of WebIdentityToken."""
    tags = SessionTags(**{f"tag{number}": "日" * 256 for number in range(50)})
    with pytest.raises(InvalidInputError, match="at most 20000"):
        compact(signing_input(token(tags), key_id=KEY), b"x" * 256)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (KEY, KEY),
        (f"arn:aws:kms:eu-west-1:123456789012:key/{KEY}", KEY),
        (f"arn:aws-us-gov:kms:us-gov-west-1:123456789012:key/mrk-{'a' * 32}", f"mrk-{'a' * 32}"),
    ],
)
def test_the_kid_is_the_key_s_id(key: str, expected: str) -> None:
    """ARN and id give one `kid`; a multi-Region key has the same in every Region."""
    assert key_id_of(key) == expected


@pytest.mark.parametrize(
    "key", ["alias/tokens", "arn:aws:kms:eu-west-1:123456789012:alias/tokens", "", None, f"{KEY}\n"]
)
def test_an_alias_is_no_key(key: str) -> None:
    """An alias can be pointed at another key while tokens are alive."""
    with pytest.raises(InvalidInputError, match="signing key"):
        key_id_of(key)


def changed(**changes: Any) -> dict[str, Any]:
    """Return good claims with some changed, or taken away when the change is `...`."""
    return {name: value for name, value in {**token().claims(), **changes}.items() if value is not ...}


def tagged(**changes: Any) -> dict[str, Any]:
    """Return good claims with parts of the tags claim changed."""
    return changed(**{TAGS_CLAIM: {**token().claims()[TAGS_CLAIM], **changes}})


GOOD = text()
BAD: dict[str, Callable[[], object]] = {
    "nothing": lambda: "",
    "no text": lambda: GOOD.encode(),
    "two parts": lambda: GOOD.rpartition(".")[0],
    "four parts": lambda: f"{GOOD}.x",
    "an empty signature": lambda: f"{GOOD.rpartition('.')[0]}.",
    "a newline at the end": lambda: f"{GOOD}\n",
    "a space in front": lambda: f" {GOOD}",
    "a space inside": lambda: GOOD.replace(".", " .", 1),
    "padding": lambda: f"{GOOD}=",
    "the other base64 alphabet": lambda: GOOD.rpartition(".")[0] + ".+/+/",
    "left-over bits": lambda: GOOD.rpartition(".")[0] + ".c2lnMR",
    "a length base64 has not": lambda: GOOD.rpartition(".")[0] + ".c2lnc",
    "too long": lambda: GOOD.rpartition(".")[0] + "." + "A" * LONGEST_TOKEN,
    "alg none": lambda: text({**HEADER, "alg": "none"}),
    "alg HS256": lambda: text({**HEADER, "alg": "HS256"}),
    "alg in another case": lambda: text({**HEADER, "alg": "rs256"}),
    "alg a list": lambda: text({**HEADER, "alg": ["RS256"]}),
    "another typ": lambda: text({**HEADER, "typ": "at+jwt"}),
    "no kid": lambda: text({"alg": "RS256", "typ": "JWT"}),
    "a kid that is no text": lambda: text({**HEADER, "kid": 1}),
    "an embedded key": lambda: text({**HEADER, "jwk": {}}),
    "a key's address": lambda: text({**HEADER, "jku": "https://evil.example"}),
    "critical extensions": lambda: text({**HEADER, "crit": ["b64"], "b64": False}),
    "a header that is a list": lambda: text([HEADER]),
    "alg twice": lambda: text('{"alg":"none","alg":"RS256","typ":"JWT","kid":"k"}'),
    "claims that are no JSON": lambda: text(claims="{"),
    "claims that are a list": lambda: text(claims=[]),
    "claims nested without end": lambda: text(claims="[" * 8000),
    "claims with NaN": lambda: text(claims=json.dumps({**changed(), "x": float("nan")})),
    "a byte-order mark": lambda: text(claims="\ufeff" + json.dumps(changed())),
    "two issuers": lambda: text(claims=json.dumps(changed())[:-1] + ',"iss":"https://t.example/a"}'),
    "a tag twice": lambda: text(
        claims=json.dumps(changed()).replace('{"user_id"', '{"task_id": ["task-2"], "user_id"', 1)
    ),
    "an audience list": lambda: text(claims=changed(aud=["aud"])),
    "a time as text": lambda: text(claims=changed(exp="1028800")),
    "a time with a fraction": lambda: text(claims=changed(exp=1_028_800.0)),
    "a time that is true": lambda: text(claims=changed(nbf=True)),
    "a time beyond the calendar": lambda: text(claims=changed(exp=10**18, iat=10**18 - 5, nbf=10**18 - 5)),
    "a time of five thousand digits": lambda: text(claims=json.dumps(changed()).replace("1028800", "1" * 5000)),
    "a lifetime of a day": lambda: text(claims=changed(exp=1_086_400)),
    "an old iat that hides a long lifetime": lambda: text(claims=changed(nbf=1_040_000, exp=1_080_000)),
    "an end before the start": lambda: text(claims=changed(nbf=1_028_801)),
    "a jti with a colour": lambda: text(claims=changed(jti="x" * 16 + "\x1b[31m")),
    "a short jti": lambda: text(claims=changed(jti="x")),
    "a source identity with a colon": lambda: text(claims=changed(**{SOURCE_IDENTITY_CLAIM: "aws:x"})),
    "an empty source identity": lambda: text(claims=changed(**{SOURCE_IDENTITY_CLAIM: ""})),
    "a claim of AWS we do not know": lambda: text(claims=changed(**{"https://aws.amazon.com/roles": []})),
    "no tags": lambda: text(claims=tagged(principal_tags={})),
    "tags that are a list": lambda: text(claims=changed(**{TAGS_CLAIM: []})),
    "a tag with two values": lambda: text(claims=tagged(principal_tags={"task_id": ["task-1", "task-2"]})),
    "a tag with no value": lambda: text(claims=tagged(principal_tags={"task_id": []})),
    "a tag that is text": lambda: text(claims=tagged(principal_tags={"task_id": "task-1"})),
    "a tag that is empty": lambda: text(claims=tagged(principal_tags={"task_id": [""]})),
    "a tag with a wildcard": lambda: text(claims=tagged(principal_tags={"task_id": ["*"]})),
    "a tag with half a character": lambda: text(
        claims=json.dumps(tagged(principal_tags={"task_id": ["X"]})).replace('"X"', '"\\ud800"')
    ),
    "a tag in two cases": lambda: text(claims=tagged(principal_tags={"task_id": ["a"], "Task_ID": ["b"]})),
    "a tag that leaves its prefix": lambda: text(claims=tagged(principal_tags={"task_id": ["a/b"]})),
    "more under tags": lambda: text(claims=tagged(session_name="x")),
    "transitive keys as text": lambda: text(claims=tagged(transitive_tag_keys="task_id")),
    "a transitive key that is no tag": lambda: text(claims=tagged(transitive_tag_keys=["team"])),
    "a transitive key that is a list": lambda: text(claims=tagged(transitive_tag_keys=[["task_id"]])),
    **{f"no {name}": lambda name=name: text(claims=changed(**{name: ...})) for name in token().claims()},  # type: ignore[misc]
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_not_exactly_a_token_is_refused(name: str) -> None:
    """One text has one reading, or none; the message holds nothing of it."""
    with pytest.raises(InvalidInputError) as caught:
        UnverifiedToken.parse(BAD[name]())  # type: ignore[arg-type]
    assert not {"planted", "task-1", "evil", "Task_ID"} & set(str(caught.value).replace("`", " ").split())


def test_the_good_text_is_a_token() -> None:
    """What the refused ones are made from is accepted, and other people's claims are ignored, as RFC 7519 asks."""
    assert UnverifiedToken.parse(GOOD).claims.tags == TAGS
    assert UnverifiedToken.parse(text(claims=changed(auth_time=1, act={"sub": "x"}))).claims.tags == TAGS


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("AZaz09-_.= \n{"))
def test_one_changed_character_never_reads_the_same(position: int, character: str) -> None:
    """A changed text is refused, or is another message: its digest or its signature differs."""
    other = GOOD[:position] + character + GOOD[position + 1 :]
    original = UnverifiedToken.parse(GOOD)
    try:
        parsed = UnverifiedToken.parse(other)
    except InvalidInputError:
        return
    assert (other == GOOD) == ((parsed.digest, parsed.signature) == (original.digest, original.signature))
