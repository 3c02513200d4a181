"""How reports write tags: as the templates do, in one order."""

import json
from typing import Any

import pytest

from session_scoping.verify import Counterexample, verify
from tests.support.verify.examples import example

TAGS = {"task_id": "TaskID", "user_id": "UserID", "repo": "Repo"}


@pytest.fixture(scope="module")
def capitals() -> dict[str, Any]:
    """The small stack, with tag keys that have capitals; the table's attribute keeps its own."""
    text = json.dumps(example("small").template)
    for old, new in TAGS.items():
        text = text.replace(f"Tag/{old}", f"Tag/{new}").replace(f'"{old}"', f'"{new}"')
    template: dict[str, Any] = json.loads(text.replace('"AttributeName": "TaskID"', '"AttributeName": "task_id"'))
    return template


def test_tag_keys_are_written_as_in_the_template(capitals: dict[str, Any]) -> None:
    """Details and assumptions have the spelling of the trust policy, not the lower case it is compared in."""
    report = verify(capitals)
    said = [r.detail for r in report.results] + [text for r in report.results for text in r.assumptions]
    (tags,) = (r.detail for r in report.results if r.rule == "session-tags")
    assert "exactly Repo, TaskID, UserID" in tags
    assert "only partitions `{TaskID}`" in said or any("`{TaskID}`" in text for text in said)
    assert any("TaskID" in text for text in said if text.startswith("two sessions are different"))
    assert [text for text in said if "taskid" in text or "userid" in text] == []


def test_the_tags_of_a_counterexample_stand_in_one_order() -> None:
    """Session, victim and what differs are sorted, whatever order samples or the solver found them in."""
    found = Counterexample("reaches", session={"b": "1", "A": "2"}, victim={"A": "3", "b": "4"})
    assert found.lines()[1:] == ["  session  A='2', b='1'", "  victim   A='3', b='4'", "  differ   in A, b"]
