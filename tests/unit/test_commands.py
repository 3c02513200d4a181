"""The command line: each option of `verify` and `explain` reaches the verifier under its own name."""

import argparse
import re
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest

from session_scoping.agent.children.command import main as credentials_command
from session_scoping.commands import explain, main, verify
from session_scoping.commands.verify import stated_by

OPTIONS = {
    "--session-role": ("session_roles", "Session"),
    "--compute-role": ("compute_roles", "Compute"),
    "--store": ("stores", "Tasks"),
    "--tag": ("tags", "task_id"),
    "--shared-by": ("shared_by", "user_id"),
    "--allow": ("allow", "s3:ListBucket"),
    "--trusted": ("trusted", "arn:aws:iam::111122223333:role/Audit"),
    "--parameter": ("parameters", "Stage=prod"),
}


@pytest.mark.parametrize("command", [verify, explain])
@pytest.mark.parametrize("flag", OPTIONS)
def test_an_option_is_stated_under_the_keyword_of_the_function(
    command: ModuleType, flag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given twice is stated twice, in order, with the flag as its place."""
    monkeypatch.chdir(tmp_path)
    option, word = OPTIONS[flag]
    parser = argparse.ArgumentParser()
    command.configure(parser)
    stated = stated_by(parser.parse_args(["template.json", flag, word, flag, f"{word}2"]))
    assert [(one.option, one.value, one.place) for one in stated] == [(option, word, flag), (option, f"{word}2", flag)]
    assert stated_by(parser.parse_args(["template.json"])) == ()


def test_the_commands_are_these(capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts in the field call them by name."""
    with pytest.raises(SystemExit) as ended:
        main.main(["--help"])
    assert ended.value.code == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("    ")]
    assert [name for name in listed if name in main._COMMANDS] == [
        "audit", "verify", "explain", "run", "revoke", "validate",
    ]  # fmt: skip


@pytest.mark.parametrize("command", [*main._COMMANDS, ""])
def test_a_help_says_what_the_exit_codes_mean(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each has the codes and a command to copy, in lines of a terminal's width as they were written."""
    with pytest.raises(SystemExit):
        main.main([*filter(None, [command]), "--help"])
    said = capsys.readouterr().out
    assert "\nexit codes:\n" in said
    assert f"\nexample:\n  session-scoping {command}" in said
    assert all(re.search(rf"^  {code}\b", said, re.MULTILINE) for code in ("2", "125" if command == "run" else "1"))


def test_the_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    """Both commands say it, as a bug report needs it."""
    for entry, name in ((main.main, "session-scoping"), (credentials_command, "session-scoping-credentials")):
        with pytest.raises(SystemExit) as ended:
            entry(["--version"])
        assert ended.value.code == 0
        assert capsys.readouterr().out == f"{name} {version('session-scoping')}\n"
