"""Role session names: the task id where STS allows it, and never one name for two tasks."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from session_scoping import InvalidInputError, SessionTags
from session_scoping.agent import TaskSession, session_name_for
from session_scoping.agent.names import RoleArn
from tests.support.stand_in_sts import ACCOUNT
from tests.support.task import TAGS

LEGAL = re.compile(r"[A-Za-z0-9_+=,.@-]{2,64}")
IDS = st.text(st.sampled_from("abcXYZ019_+=,.@- :éß日"), min_size=1, max_size=80).filter(
    lambda text: "," not in text and ".." not in text and text != "."
)


@pytest.mark.parametrize("task_id", ["t1", "01J9ZC4QK6", "a=b", "user@example.com", "x" * 64])
def test_a_legal_task_id_is_the_name(task_id: str) -> None:
    """CloudTrail shows the task id itself."""
    assert session_name_for(SessionTags(task_id=task_id)) == task_id


@pytest.mark.parametrize("task_id", ["x", "a b", "a:b", "tâche", "x" * 65, "y" * 256])
def test_another_task_id_is_recognizable(task_id: str) -> None:
    """A short, long or illegal id keeps its start and gets a digest."""
    name = session_name_for(SessionTags(task_id=task_id))
    assert LEGAL.fullmatch(name)
    assert name.startswith(task_id[:1])
    assert re.search(r"=[0-9a-f]{24}$", name)


@given(IDS, IDS)
def test_two_ids_never_share_a_name(one: str, other: str) -> None:
    """Different tasks have different names, also when one imitates the name of the other."""
    name = session_name_for(SessionTags(task_id=one))
    assert LEGAL.fullmatch(name)
    assert (name == session_name_for(SessionTags(task_id=other))) == (one == other)
    assert session_name_for(SessionTags(task_id=name)) == name if name == one else True
    if name != one:
        assert session_name_for(SessionTags(task_id=name)) != name


def test_tags_without_a_task_id_are_not_shown() -> None:
    """Other tags may be personal: the name is a digest of all of them."""
    name = session_name_for(SessionTags(tenant_id="alice", plan="gold"))
    assert "alice" not in name
    assert LEGAL.fullmatch(name)
    assert name == session_name_for(SessionTags(plan="gold", tenant_id="alice"))
    assert name != session_name_for(SessionTags(plan="alice", tenant_id="gold"))


@pytest.mark.parametrize("name", ["", "x", "a b", "a/b", "x" * 65, "ß" * 3, 7])
def test_a_chosen_name_keeps_to_the_rules(name: object) -> None:
    """A name STS would refuse is refused before."""
    with pytest.raises(InvalidInputError, match="role_session_name"):
        TaskSession(TAGS, role_session_name=name)  # type: ignore[arg-type]


def test_a_session_arn_has_no_path() -> None:
    """GetCallerIdentity drops the role's path."""
    role = RoleArn.parse(f"arn:aws-cn:iam::{ACCOUNT}:role/a/b/Name", where="role_arn")
    assert role.session_arn("t1") == f"arn:aws-cn:sts::{ACCOUNT}:assumed-role/Name/t1"
