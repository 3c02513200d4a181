"""Key formats as plain data: which tags distinguish tasks, what is shared on purpose, and how a format is filled."""

import pytest

from session_scoping import InvalidInputError, SessionTags
from session_scoping.contract.key_formats import KeyFormat, distinguishing_tags, shared_on_purpose
from session_scoping.contract.tags import leaves_prefix

TAGS = ("user_id", "repo", "task_id")
U, T, R = "user_id", "task_id", "repo"


def sets(*tags: str) -> list[frozenset[str]]:
    """Return one set of tags for each text, its tags separated by spaces."""
    return [frozenset(text.split()) for text in tags]


@pytest.mark.parametrize(
    ("rows", "objects", "expected"),
    [
        ([], [], ""),
        (["task_id"], ["user_id"], "task_id"),
        (["user_id", "task_id", "task_id"], [], "task_id"),
        (["task_id user_id", "task_id"], [], "task_id"),
        ([], ["user_id task_id", "task_id"], "task_id"),
        ([], ["user_id task_id", "user_id task_id"], "user_id task_id"),
        ([], ["user_id", "repo", "repo"], "repo"),
    ],
)
def test_most_leading_keys_say_what_distinguishes_tasks(rows: list[str], objects: list[str], expected: str) -> None:
    """Without tables it is what every object key has in common, else the most frequent tag, else nothing."""
    assert distinguishing_tags(sets(*rows), sets(*objects)) == frozenset(expected.split())


def formats(*texts: str, path: bool = False) -> list[KeyFormat]:
    """Return leading keys or object keys."""
    parse = KeyFormat.object_key if path else KeyFormat.leading_key
    return [parse(text, TAGS) for text in texts]


@pytest.mark.parametrize(
    ("rows", "objects", "unnamed", "shared"),
    [
        (["{task_id}"], ["a/{user_id}/{task_id}/"], [], []),
        (["{task_id}"], ["a/{user_id}/"], [], ["user_id"]),
        (["{task_id}", "{user_id}", "{task_id}"], [], [], ["user_id"]),
        ([], ["a/{user_id}/{task_id}/"], [], ["task_id,user_id"]),
        ([], ["a/{user_id}/{task_id}/{repo}/"], [], []),
        (["{task_id}", "{task_id}#{user_id}"], [], [], []),
        (["{task_id}", "{task_id}#{user_id}"], [], ["{task_id}"], ["task_id"]),
        (["{task_id}"], [], ["{task_id}"], []),
        (["{task_id}#*"], [], [], ["task_id"]),
        (["{task_id}#*"], ["a/{user_id}/{repo}/{task_id}/"], [], []),
        (["{user_id}#*", "{task_id}#*"], [], [], ["task_id", "user_id"]),
    ],
)
def test_what_does_not_distinguish_tasks_is_shared_on_purpose(
    rows: list[str], objects: list[str], unnamed: list[str], shared: list[str]
) -> None:
    """A format that leaves out a tag is declared, in the order of its text."""
    found = shared_on_purpose(formats(*rows), formats(*objects, path=True), TAGS, formats(*unnamed))
    assert found == shared


def test_a_format_is_filled_with_the_session_s_own_tags() -> None:
    """The same format makes the policy variable, so that the two cannot disagree."""
    (key,) = formats("traces/{user_id}/{task_id}/", path=True)
    assert key.fill(SessionTags(user_id="u", task_id="T1")) == "traces/u/T1/"
    assert key.policy_variables() == "traces/${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}/"
    assert (key.tags, key.is_prefix, key.is_path) == (("user_id", "task_id"), True, True)
    (row,) = formats("{repo}#{task_id}#{repo}")
    assert row.fill(SessionTags(repo="o/n", task_id="T1")) == "o/n#T1#o/n"
    assert (row.tags, row.is_prefix, row.is_path) == (("repo", "task_id"), False, False)
    (rows,) = formats("{repo}#*")
    assert rows.fill(SessionTags(repo="o/n")) == "o/n#"
    assert (rows.tags, rows.is_prefix, rows.operator, row.operator) == (("repo",), True, "Like", "Equals")


@pytest.mark.parametrize(
    ("value", "leaves"), [("a/b", True), ("..", True), ("a..b", True), (".", True), ("a.b", False), (".a", False)]
)
def test_a_value_that_is_a_step_of_a_path_leaves_its_prefix(value: str, leaves: bool) -> None:
    """`/`, `..` and `.` alone; an object key with it is never filled, while a row's key is."""
    assert leaves_prefix(value) == leaves
    (path,) = formats("a/{repo}/", path=True)
    if leaves:
        with pytest.raises(InvalidInputError, match="step out"):
            path.fill(SessionTags(repo=value))
    else:
        assert path.fill(SessionTags(repo=value)) == f"a/{value}/"
    assert formats("{repo}")[0].fill(SessionTags(repo=value)) == value
