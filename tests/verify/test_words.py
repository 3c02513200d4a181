"""What the user names: a word that covers nothing is refused under the name it was given, what is left out is told."""

import json
from pathlib import Path
from typing import Any

import pytest

from session_scoping.commands.main import main
from session_scoping.contract.errors import InvalidInputError
from session_scoping.testing import assert_sessions_isolated
from session_scoping.verify import Status, verify
from tests.support.verify.examples import example
from tests.support.verify.mutations import Template, edit
from tests.support.verify.plain_template import allow, document, plain_template, policy

STAGE = {"Stage": {"Type": "String", "Default": "dev"}}
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


WORDS = {
    "session_roles": ("--session-role", "Missing"),
    "compute_roles": ("--compute-role", "Missing"),
    "stores": ("--store", "Missing"),
    "tags": ("--tag", "task"),
    "shared_by": ("--shared-by", "user_id,team"),
    "allow": ("--allow", "logs:PutLogEvents"),
    "trusted": ("--trusted", "arn:aws:iam::444455556666:root"),
    "shared_data": ("--shared-data", "Missing:keys/*"),
    "parameters": ("--parameter", "Missing=x"),
}
"""Keyword -> the option of the command, and a word that names nothing in the small stack."""


@pytest.mark.parametrize(("option", "word"), WORDS.values())
def test_an_unknown_word_is_refused_under_the_option_as_typed(
    option: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The reader finds the word in the command again, whichever command it is."""
    for command in ("verify", "explain"):
        assert main([command, _written(example("small").template, tmp_path), option, word]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        assert f"`{word.removesuffix('=x')}` names nothing in these templates: got it in `{option}`" in said


@pytest.mark.parametrize("argument", WORDS)
def test_an_unknown_word_is_refused_under_the_argument_s_name(argument: str) -> None:
    """In a test the word stands in an argument, not in an option."""
    word = WORDS[argument][1]
    words: dict[str, Any] = {argument: {"Missing": "x"} if argument == "parameters" else (word,)}
    for ask in (verify, assert_sessions_isolated):
        with pytest.raises(InvalidInputError, match=f"got it in `{argument}`"):
            ask(example("small").template, **words)


KNOWN: dict[str, Any] = {
    "session_roles": "SessionRole",
    "compute_roles": "Compute",
    "stores": ["Tasks", "Artifacts", "Objects"],
    "tags": ["TASK_ID", "user_id", "repo"],
    "shared_by": "user_id, Repo",
    "allow": "S3:Put*",
    "parameters": {"Stage": "prod"},
}


@pytest.mark.parametrize("argument", KNOWN)
def test_a_word_that_names_something_is_taken(argument: str) -> None:
    """Tag keys and actions in any letter case, an action by a pattern, several tags by commas."""
    template = edit(example("small").template, "parameter", lambda t: t.update(Parameters=STAGE)).template
    words: dict[str, Any] = {argument: KNOWN[argument]}
    assert verify(template, **words).proved


NAMED: dict[str, tuple[str, Any]] = {
    "a role of another partition": (
        "arn:aws-cn:iam::444455556666:role/r",
        "arn:aws:iam::444455556666:role/r",
    ),
    "a service": ("cloudfront.amazonaws.com", None),
    "an account by a condition": ("444455556666", None),
}


@pytest.mark.parametrize("case", NAMED)
def test_an_outsider_that_a_policy_names_is_known(case: str) -> None:
    """By a principal or by a condition, in whatever partition."""
    word, principal = NAMED[case]
    statement = {
        "Effect": "Allow", "Action": "s3:GetObject", "Resource": "*",
        "Principal": {"AWS": principal} if principal else {"Service": "cloudfront.amazonaws.com"},
        **({} if principal else {"Condition": {"StringEquals": {"aws:SourceAccount": "444455556666"}}}),
    }  # fmt: skip
    properties = {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": document(statement)}
    template = plain_template()
    template["Resources"]["Shared"] = {"Type": "AWS::S3::BucketPolicy", "Properties": properties}
    verify(template, trusted=word)
    with pytest.raises(InvalidInputError, match="names nothing"):
        verify(template, trusted="111122223333")


def test_an_outsider_that_another_service_s_resource_names_is_known() -> None:
    """A backup vault of another account is named by its ARN, and by a field of that; half an id names nothing."""
    template = plain_template()
    vault = "arn:aws:backup:eu-west-1:444455556666:backup-vault:theirs"
    copy = {"Type": "AWS::Backup::BackupPlan", "Properties": {"CopyActions": [{"DestinationBackupVaultArn": vault}]}}
    template["Resources"]["Plan"] = copy
    for word in (vault, "444455556666"):
        verify(template, trusted=word)
    for word in ("44445555666", "theirs-too", "arn:aws:backup:eu-west-1:444455556666:backup-vault:their"):
        with pytest.raises(InvalidInputError, match="names nothing"):
            verify(template, trusted=word)


def test_where_something_is_not_read_a_word_may_stand_there() -> None:
    """A template that changes when it deploys is UNKNOWN anyway; the word is no fault of the user's."""
    template = {**plain_template(), "Transform": "Unheard::Of"}
    report = verify(template, trusted="111122223333", allow="logs:*", tags="later", shared_by="later")
    assert Status.PROVED not in {result.status for result in report.results if result.rule == "partition-isolation"}


def test_an_action_that_only_agent_code_is_granted_is_not_a_session_s() -> None:
    """`--allow` speaks of session roles: what a compute role holds is not covered by it."""
    template = plain_template()
    template["Resources"]["More"] = policy("Compute", allow("logs:PutLogEvents", "*"))
    with pytest.raises(InvalidInputError, match="`logs:PutLogEvents` names nothing"):
        verify(template, allow="logs:PutLogEvents")
    template["Resources"]["Own"] = policy("Session", allow("logs:Put*", "*"))
    verify(template, allow="logs:PutLogEvents")


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
