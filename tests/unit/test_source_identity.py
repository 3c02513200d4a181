"""The source identity's form: one reading of every text, and nothing STS would refuse."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session_scoping import InvalidInputError, SourceIdentity
from session_scoping.contract.source_identity import TENANT_MAX, ambiguous_pattern_of, check_tenant, pattern_of

# STS API_AssumeRole, SourceIdentity.
STS = re.compile(r"(?!aws:)[A-Za-z0-9_+=,.@-]{2,64}")
PARTS = st.text(alphabet=string.ascii_letters + string.digits + "_.+,@-", min_size=1, max_size=28)


@given(PARTS, PARTS)
def test_what_is_built_is_read_back_and_legal_to_sts(tenant: str, session: str) -> None:
    """Building and parsing are inverse, so no text names two sessions; STS takes every one."""
    identity = SourceIdentity(tenant, session)
    assert SourceIdentity.parse(identity.for_sts()) == identity
    assert STS.fullmatch(identity.for_sts())


@given(st.text(max_size=70))
def test_whatever_is_parsed_would_be_built_the_same(text: str) -> None:
    """No text is read loosely: what parses is exactly what building gives."""
    try:
        identity = SourceIdentity.parse(text)
    except InvalidInputError:
        return
    assert identity.for_sts() == text


@pytest.mark.parametrize(
    "text",
    ["", "agent", "agent=acme", "agent=acme=", "agent==s1", "agent=acme=s=1", "Agent=acme=s1", "agent:acme:s1",
     "human=acme=s1", " agent=acme=s1", "agent=acme=s1\n", "agent=ac me=s1", f"agent=acme={'s' * 54}", 7],
)  # fmt: skip
def test_another_form_is_refused_without_quoting_it(text: str) -> None:
    """A text of another form is attributed to nobody, and the message does not repeat it."""
    with pytest.raises(InvalidInputError) as caught:
        SourceIdentity.parse(text)
    assert "acme" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", ["", "a=b", "a:b", "a/b", "a b", "é", "a*", "a?", "${aws:userid}", None])
def test_a_part_sts_or_a_pattern_would_misread_is_refused(part: str) -> None:
    """Wildcards, separators and characters STS refuses stand in no part."""
    with pytest.raises(InvalidInputError, match="of a source identity is not legal"):
        SourceIdentity(part, "s1")
    with pytest.raises(InvalidInputError, match="of a source identity is not legal"):
        SourceIdentity("acme", part)


def test_sixty_four_characters_fit_and_one_more_is_refused() -> None:
    """The limit is STS's, and nothing is cut to meet it."""
    assert len(SourceIdentity("acme", "s" * 53).for_sts()) == 64
    with pytest.raises(InvalidInputError, match="got 65 characters, expected at most 64"):
        SourceIdentity("acme", "s" * 54)


def test_a_tenant_that_leaves_no_room_is_refused_at_synth() -> None:
    """A role for a tenant whose sessions STS could never name is not made."""
    assert check_tenant("t" * TENANT_MAX)
    SourceIdentity("t" * TENANT_MAX, "s")
    with pytest.raises(InvalidInputError, match="leaves no room for a session"):
        check_tenant("t" * (TENANT_MAX + 1))


def test_patterns_name_one_tenant() -> None:
    """The pattern ends the tenant with a separator no tenant holds, so `acme` never covers `acme2`."""
    assert pattern_of("acme") == "agent=acme=?*"
    assert ambiguous_pattern_of("acme") == "agent=acme=*=*"
    with pytest.raises(InvalidInputError):
        pattern_of("*")


def test_the_repr_shows_neither_tenant_nor_session() -> None:
    """A traceback or log line holds no id."""
    assert repr(SourceIdentity("acme", "s-1")) == "SourceIdentity(tenant=…, session=…)"
