"""Options in a committed file: every exception has a reason and may have a last day; odd files are refused."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from session_scoping.commands.main import main
from session_scoping.contract.errors import InvalidInputError
from session_scoping.testing import assert_sessions_isolated
from session_scoping.verify import Status, read_configuration, verify
from session_scoping.verify.options.stated import find_configuration
from tests.support import ROOT
from tests.support.verify.mutations import Template
from tests.support.verify.plain_template import document, plain_template

OTHER = "arn:aws:iam::444455556666:role/reader"
WHOLE = f'''
session-roles = ["Session"]
compute-roles = ["Compute"]
stores = ["Table", "Bucket"]
tags = ["task_id", "user_id"]

[parameters]
Stage = "prod"

[[trusted]]
principal = "{OTHER}"
reason = """the auditors'
yearly export"""
expires = 2027-01-31

[[allow]]
action = "s3:GetObject"
reason = "their own objects"

[[shared]]
by = "user_id"
reason = "a user's tasks see each other"
'''
TRUSTED = f'[[trusted]]\nprincipal = "{OTHER}"\nreason = "the auditors"\nexpires = 2027-01-31\n'


def template() -> Template:
    """Return the plain template with a parameter, and a reader of another account on its bucket."""
    found = plain_template()
    statement = {"Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": "s3:GetObject", "Resource": "*"}
    properties = {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document(statement)}
    found["Resources"]["Shared"] = {"Type": "AWS::S3::BucketPolicy", "Properties": properties}
    found["Parameters"] = {"Stage": {"Type": "String"}}
    return found


def written(folder: Path, text: str, name: str = "session-scoping.toml") -> Path:
    """Write a file; return its path."""
    file = folder / name
    file.write_text(text)
    return file


def test_a_file_states_every_option(tmp_path: Path) -> None:
    """Each word comes with its keyword, its place, and, of exceptions, the reason and the last day."""
    words = read_configuration(written(tmp_path, WHOLE), today=date(2026, 1, 1))
    assert [(word.option, word.value) for word in words] == [
        ("session_roles", "Session"), ("compute_roles", "Compute"), ("stores", "Table"), ("stores", "Bucket"),
        ("tags", "task_id"), ("tags", "user_id"), ("parameters", "Stage=prod"), ("trusted", OTHER),
        ("allow", "s3:GetObject"), ("shared_by", "user_id"),
    ]  # fmt: skip
    (trusted,) = (word for word in words if word.option == "trusted")
    assert (trusted.reason, trusted.expires, trusted.expired) == (
        "the auditors' yearly export", date(2027, 1, 31), False,
    )  # fmt: skip
    assert trusted.place == "trusted in session-scoping.toml"


def test_the_function_takes_the_words_of_a_file(tmp_path: Path) -> None:
    """What the file states counts as if it were passed, and stands in the report."""
    report = verify(template(), configuration=read_configuration(written(tmp_path, WHOLE), today=date(2026, 1, 1)))
    assert report.proved, report.failures()
    assert not verify(template()).proved
    assert [option.option for option in report.options].count("stores") == 2


@pytest.mark.parametrize(
    ("day", "expired"), [(date(2027, 1, 30), False), (date(2027, 1, 31), False), (date(2027, 2, 1), True)]
)
def test_an_exception_counts_until_the_end_of_its_last_day(tmp_path: Path, day: date, expired: bool) -> None:
    """The day after, the outsider is no longer trusted, and the report says which exception is over."""
    words = read_configuration(written(tmp_path, TRUSTED), today=day)
    report = verify(template(), configuration=words)
    assert report.proved is not expired
    (option,) = report.options
    assert option.expired is expired
    assert report.as_json()["options"] == [
        {
            "option": "trusted", "value": OTHER, "place": "trusted in session-scoping.toml",
            "reason": "the auditors", "expires": "2027-01-31", "expired": expired,
        }
    ]  # fmt: skip


def test_an_expired_word_may_name_nothing(tmp_path: Path) -> None:
    """It counts no more, so that nothing is lost with it."""
    words = read_configuration(written(tmp_path, TRUSTED), today=date(2030, 1, 1))
    assert verify(plain_template(), configuration=words).proved
    with pytest.raises(InvalidInputError, match=r"got it in `trusted in session-scoping\.toml`"):
        verify(plain_template(), configuration=read_configuration(tmp_path / "session-scoping.toml", today=date.min))


def test_the_table_of_a_project_file_says_the_same(tmp_path: Path) -> None:
    """`[tool.session-scoping]` has the keys of the file of its own."""
    table = WHOLE.replace("[[", "[[tool.session-scoping.").replace("[parameters]", "[tool.session-scoping.parameters]")
    project = written(tmp_path, f"[tool.session-scoping]{table}", "pyproject.toml")
    own = written(tmp_path, WHOLE)
    values = [[(word.option, word.value, word.reason) for word in read_configuration(file)] for file in (project, own)]
    assert values[0] == values[1]


def test_the_command_reads_the_file_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In CI nothing has to be typed; `--config` names another file; exceptions are printed with their reasons."""
    path = str(written(tmp_path, json.dumps(template()), "t.template.json"))
    monkeypatch.chdir(tmp_path)
    assert main(["verify", path]) == 1
    other = written(tmp_path, TRUSTED.replace("2027-01-31", "9999-12-31"), "other.toml")
    assert main(["verify", path, "--config", str(other)]) == 0
    capsys.readouterr()
    written(tmp_path, other.read_text())
    assert main(["verify", path]) == 0
    assert f"as stated: trusted {OTHER} until 9999-12-31: the auditors" in " ".join(capsys.readouterr().out.split())
    written(tmp_path, TRUSTED.replace("2027", "2020"))
    assert main(["verify", path]) == 1
    assert f"trusted {OTHER} EXPIRED on 2020-01-31: the auditors" in " ".join(capsys.readouterr().out.split())


def test_the_function_reads_no_file_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test's outcome must not hang on the directory it runs in; `True` and a path ask for a file."""
    monkeypatch.chdir(tmp_path)
    file = written(tmp_path, TRUSTED.replace("2027-01-31", "9999-12-31"))
    assert not verify(template()).proved
    assert verify(template(), configuration=True).proved
    assert verify(template(), configuration=file).proved
    assert verify(template(), configuration=str(file)).proved
    assert_sessions_isolated(template(), configuration=file)


def test_an_assertion_says_which_exception_is_over(tmp_path: Path) -> None:
    """Whoever reads the failed test sees why it passed yesterday."""
    words = read_configuration(written(tmp_path, TRUSTED), today=date(2030, 1, 1))
    with pytest.raises(AssertionError, match=r"EXPIRED: trusted .* EXPIRED on 2027-01-31: the auditors"):
        assert_sessions_isolated(template(), configuration=words)


def test_asking_for_a_file_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it was meant to state would be lost silently."""
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "[project]\nname = 'x'\n", "pyproject.toml")
    for wanted in (True, tmp_path / "missing.toml", tmp_path / "pyproject.toml", tmp_path):
        with pytest.raises(InvalidInputError):
            verify(plain_template(), configuration=wanted)


def test_a_project_file_without_the_table_states_nothing(tmp_path: Path) -> None:
    """Nearly every project has such a file."""
    written(tmp_path, "[tool.other]\nx = 1\n", "pyproject.toml")
    assert find_configuration(tmp_path) is None


def test_two_files_that_state_options_are_refused(tmp_path: Path) -> None:
    """Which of them counts would be anybody's guess."""
    written(tmp_path, "[tool.session-scoping]\n", "pyproject.toml")
    written(tmp_path, "")
    with pytest.raises(InvalidInputError, match="two files state options"):
        find_configuration(tmp_path)


ODD: dict[str, tuple[str, str]] = {
    "a key nobody reads": ("store = ['Table']", "the key `store`"),
    "a key of the other file": ("[tool.session-scoping]", "the key `tool`"),
    "one text for a list": ("stores = 'Table'", "got a text, expected a list of texts"),
    "a number in a list": ("tags = [1]", "a list with a number in it"),
    "a blank word": ("stores = [' ']", "a list with a blank text in it"),
    "a word of two lines": ('stores = ["a\\nb"]', "with a text with a line break in it"),
    "trusted as a list": (f"trusted = ['{OTHER}']", r"each under `\[\[trusted\]\]`"),
    "no reason": (f"[[trusted]]\nprincipal = '{OTHER}'", "got no reason"),
    "a blank reason": ("[[allow]]\naction = 's3:*'\nreason = ' '", "got reason: a blank text"),
    "a reason that is true": ("[[allow]]\naction = 's3:*'\nreason = true", "got reason: true or false"),
    "no principal": ("[[trusted]]\nreason = 'x'", "got no principal"),
    "another exception's name": ("[[shared]]\naction = 'user_id'\nreason = 'x'", "got the key `action`"),
    "a last day as text": ("[[shared]]\nby = 'x'\nreason = 'x'\nexpires = '2027-01-31'", "expires: a text"),
    "a last day with a time": ("[[shared]]\nby = 'x'\nreason = 'x'\nexpires = 2027-01-31T00:00:00Z", "with a time"),
    "a parameter that is a number": ("[parameters]\nCount = 3", "a table with a number in it"),
    "a parameter of two names": ("[parameters]\n'A=B' = 'x'", "`parameters` in"),
    "no TOML": ("stores = ", "no TOML"),
    "a day that is none": ("[[shared]]\nexpires = 2027-02-30", "no TOML"),
    "endlessly nested": ("stores = " + "[" * 5000, "RecursionError"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_file_is_refused_in_one_line(case: str, tmp_path: Path) -> None:
    """Each fault says what was got and what is expected; nothing is guessed."""
    text, said = ODD[case]
    with pytest.raises(InvalidInputError, match=said) as refused:
        read_configuration(written(tmp_path, text))
    assert "\n" not in str(refused.value)
    assert "; fix: " in str(refused.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    """Bytes that are no text, and a path that is no file."""
    file = tmp_path / "session-scoping.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInputError, match="cannot read"):
        read_configuration(file)


@pytest.mark.parametrize("value", ["[tool]\nsession-scoping = 3", "[[tool.session-scoping]]"])
def test_a_project_file_whose_table_is_none_is_refused(value: str, tmp_path: Path) -> None:
    """Leaving it unread would lose what was meant."""
    with pytest.raises(InvalidInputError, match="expected a table"):
        find_configuration(written(tmp_path, value, "pyproject.toml").parent)


def test_the_command_refuses_an_odd_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line, whichever subcommand reads it."""
    path = str(written(tmp_path, json.dumps(template()), "t.template.json"))
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "stores = 3")
    for command in ("verify", "explain"):
        assert main([command, path]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_words_of_file_and_call_count_together(tmp_path: Path) -> None:
    """A list that both state is the sum of both."""
    file: Any = written(tmp_path, "stores = ['Table']")
    subjects = {r.subject for r in verify(plain_template(), configuration=file, stores="Bucket").results}
    assert any("Table" in subject for subject in subjects)
    assert any("Bucket" in subject for subject in subjects)
    assert {r.status for r in verify(plain_template(), configuration=file).results} == {Status.PROVED}


def test_the_file_in_the_documentation_is_read(tmp_path: Path) -> None:
    """Who copies the example states what it seems to state."""
    page = (ROOT / "docs" / "verify.md").read_text()
    example = page.split("```toml\n")[1].split("```")[0]
    words = read_configuration(written(tmp_path, example), today=date(2026, 1, 1))
    assert {word.option for word in words} == {
        "stores", "session_roles", "compute_roles", "tags", "parameters", "trusted", "allow", "shared_by",
        "shared_data",
    }  # fmt: skip
    assert all(word.reason for word in words if word.option in {"trusted", "allow", "shared_by", "shared_data"})
