"""What the user names: a word that covers nothing is refused under the name it was given, what is left out is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from session_scoping.commands.main import main
from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify import verify
from tests.support.verify.examples import example
from tests.support.verify.mutations import Template, edit

KEY = {"Type": "AWS::KMS::Key", "Properties": {}}


def _written(template: Template, folder: Path) -> str:
    file = folder / "small.template.json"
    file.write_text(json.dumps(template))
    return str(file)


def test_a_compute_role_that_is_a_session_role_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named alone or beside a real one, it would take compute-isolation away: exit code 2, and the option as typed."""
    path = _written(example("small").template, tmp_path)
    capsys.readouterr()  # synthesis may have warned
    for more in ([], ["--compute-role", "Compute"]):
        assert main(["verify", path, "--compute-role", "SessionRole", *more]) == 2
        said = capsys.readouterr().err
        assert "`SessionRole` names session roles only: got it in `--compute-role`" in said
        assert said.count("\n") == 1
    assert main(["verify", path, "--compute-role", "Compute"]) == 0


@pytest.mark.parametrize("option", ["--session-role", "--compute-role", "--store"])
def test_an_unknown_word_is_refused_under_the_option_as_typed(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader finds the word in the command again."""
    assert main(["verify", _written(example("small").template, tmp_path), option, "Missing"]) == 2
    assert f"got it in `{option}`" in capsys.readouterr().err


@pytest.mark.parametrize("argument", ["session_roles", "compute_roles", "stores"])
def test_an_unknown_word_is_refused_under_the_argument_s_name(argument: str) -> None:
    """In a test the word stands in an argument, not in an option."""
    words: dict[str, Any] = {argument: ("Missing",)}
    with pytest.raises(InvalidInputError, match=f"got it in `{argument}`"):
        verify(example("small").template, **words)


def test_a_key_is_no_store() -> None:
    """A word that names a key alone would leave the proof without any table or bucket."""
    template = edit(example("small").template, "key", lambda t: t["Resources"].update(DataKey=KEY)).template
    with pytest.raises(InvalidInputError, match="`DataKey` names nothing"):
        verify(template, stores=("DataKey",))


def test_what_given_stores_leave_out_is_told() -> None:
    """A list of stores replaces what was inferred, and the report names what it no longer covers."""
    (note,) = (text for text in verify(example("small").template, stores=("Tasks",)).assumptions if "left out" in text)
    given, left_out = note.split("; left out: ")
    assert given.startswith("only these stores, as given: ")
    assert ("Tasks" in given, "Artifacts" in left_out, "Objects" in left_out) == (True, True, True)
    whole = verify(example("small").template, stores=("Tasks", "Artifacts", "Objects"))
    assert [text for text in whole.assumptions if "left out" in text] == []


def test_what_given_session_roles_leave_out_is_told() -> None:
    """A list of session roles replaces the roles found by their tags."""
    notes = verify(example("small").template, session_roles=("Compute",), tags=("task_id",)).assumptions
    (note,) = (text for text in notes if "left out" in text)
    assert note.startswith("only these session roles, as given: ")
    assert "SessionRole" in note.split("left out: ")[1]
