"""What `explain` tells of each part: who chooses the tags, what sessions are held to, what they go on to."""

import json
import xml.dom.minidom
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from session_scoping.commands.explain import _print
from session_scoping.commands.main import main
from session_scoping.verify import verify
from session_scoping.verify.reports.role_story import Fact, Maker, Reach, RoleStory
from session_scoping.verify.reports.summary import tell
from session_scoping.verify.reports.svg import as_svg
from tests.support.reference import synthesize_reference
from tests.support.verify.examples import example
from tests.support.verify.hand_written import TABLE, allow, by_hand, policy, role
from tests.support.verify.mutations import compute_roles, edit, grant
from tests.support.verify.weaken_additions import _bucket_policy

READ = {"Effect": "Allow", "Action": "s3:GetObject"}

PARTS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "compute": ({}, ("agent code can mint any task",)),
    "orchestrator": ({"minting": "orchestrator"}, ("OrchestratorRole", "agent code cannot mint")),
    "credential-broker": ({"minting": "credentialBroker"}, ("credential broker takes the tags", "signed in the token")),
    "web-identity": ({"minting": "webIdentity"}, ("token of tokens.example.com", "STS takes the tags")),
    "binding": ({"binding": "vpc"}, ("VPC AgentVpc and its Region",)),
    "attribution": ({"sessionBroker": "acme"}, ("SessionBrokerRole", "DispatcherRole", "agent=acme=?*")),
    "tools": ({"tools": "on"}, ("tool of   SessionRole", "AttachmentReaderToolRole")),
    "vault": ({"tokenVault": "on"}, ("GitHubProvider", "{user_id}", "token vault")),
    "revocation": (
        {"revokedTasks": "T1,T2,T3,T4,T5", "revokedBefore": "2026-01-01T00:00:00Z"},
        ("task_id = T1 or T2 or T3 or 2 more", "made before 2026-01-01T00:00:00Z"),
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_is_told(part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads the explanation sees that the part is on."""
    context, words = PARTS[part]
    file, picture = tmp_path / "App.template.json", tmp_path / "reach.html"
    file.write_text(json.dumps(synthesize_reference(**context)))
    assert main(["explain", str(file), "--html", str(picture)]) == 0
    told = capsys.readouterr().out
    assert [word for word in words if word not in told] == []
    assert ("may choose any tags" in picture.read_text()) is ("minting" not in context)


def _says(template: dict[str, Any]) -> dict[str, Any]:
    found = (resource.get("Metadata", {}) for resource in template["Resources"].values())
    return next(metadata for metadata in found if "session-scoping:revoked" in metadata)


@pytest.mark.parametrize("change", [lambda _: "text", lambda _: ["{"], lambda _: [{"Ref": "AWS::Region"}]])
def test_a_revocation_that_cannot_be_read_is_told_as_that(
    change: Callable[[Any], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Metadata somebody edited never stops the command, and is not proved."""
    template = synthesize_reference(revokedTasks="T1")
    metadata = _says(template)
    metadata["session-scoping:revoked"] = change(metadata)
    file = tmp_path / "App.template.json"
    file.write_text(json.dumps(template))
    assert main(["explain", str(file)]) == 0
    told = capsys.readouterr()
    assert "revocation" in told.out
    assert "Traceback" not in told.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: _bucket_policy(t, {**READ, "Principal": "*", "Resource": "*"}), "no-external-access VIOLATED"),
        (
            lambda t: grant(t, compute_roles(t)[0], "Extra", Action="s3:*", Resource="arn:aws:s3:::*"),
            "no-masked-grants VIOLATED",
        ),
    ],
)
def test_a_verdict_counts_who_else_reaches_a_session_s_data(
    change: Callable[[Any], Any], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A public bucket and a compute role's grant stand in the verdict of the session role whose data it is."""
    file = tmp_path / "App.template.json"
    file.write_text(json.dumps(edit(example("small").template, "change", change).template))
    assert main(["explain", str(file)]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


def _story(**more: Any) -> RoleStory:
    verdict = "partition-isolation VIOLATED, " + "x" * 40 + " UNKNOWN"
    reaches = (Reach(("GetItem",), "Tasks", "every partition"), Reach(("GetItem",), "Events", "partition = {task_id}"))
    return replace(RoleStory("Session", (), "", ("task_id",), reaches, (), verdict), **more)


def test_every_partition_is_drawn_as_what_is_wrong() -> None:
    """Beside NOT PROVED the access without a limit has the verdict's colour; PROVED, it has none."""
    texts = {one.firstChild.data: one.getAttribute("class") for one in _texts(as_svg([_story()]))}
    assert texts["every partition"] == "bad mono"
    assert texts["partition = {task_id}"] == "ink mono"
    proved = {one.firstChild.data: one.getAttribute("class") for one in _texts(as_svg([_story(verdict="PROVED")]))}
    assert proved["every partition"] == "ink mono"


def test_rules_stay_in_their_card() -> None:
    """A rule with its status fits, smaller than the verdict above it; a longer line is cut."""
    failed = [one for one in _texts(as_svg([_story()])) if one.getAttribute("style") == "font-size:12px"]
    assert [one.firstChild.data for one in failed] == ["partition-isolation VIOLATED", "x" * 27 + "…"]


def test_the_picture_has_a_title() -> None:
    """What is an image to a screen reader has a name."""
    title = ET.fromstring(as_svg([_story()])).find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == "Who makes a session, what it carries, what it reaches"


def _texts(svg: str) -> list[Any]:
    return list(xml.dom.minidom.parseString(svg).getElementsByTagName("text"))


def test_stages_have_headings_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same stack in two stages is two stories whose heads differ."""
    for stage in ("Dev", "Prod"):
        (tmp_path / f"{stage}.template.json").write_text(json.dumps(example("small").template))
    capsys.readouterr()
    assert main(["explain", str(tmp_path)]) == 0
    stories, _, table = capsys.readouterr().out.partition("\nwho reaches tenant data")
    heads = [line for line in stories.splitlines() if not line.startswith(" ")]
    assert [head.split("/")[0] for head in heads] == ["Dev", "Prod"]
    assert table.count("session") == 2


def test_a_role_that_is_no_session_role_is_shown_with_what_it_reaches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A function that reads every row is nobody's session, and a reader has to see it all the same."""
    reader = role(allow("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"}))
    template = by_hand(Reader=reader, Reading=policy("Reader", allow("dynamodb:Scan", TABLE)))
    (tmp_path / "app.template.json").write_text(json.dumps(template))
    for command in ("explain", "verify"):
        assert main([command, str(tmp_path)]) == 0
        (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("other")]
        assert "Reader" in line
        assert "Reading[0]" in line


LAYOUT = """\
Session
  made by   Compute, Other
  minting   open
  tags      task_id, repo
  identity  agent=acme=?*
  revoked   FORTY-EIGHT
            x
  verdict   PROVED
 may                              only where
 dynamodb:GetItem,                Tasks
 dynamodb:PutItem                   partition = {task_id}
                                    more
 s3:GetObjectVersionTagging,a, b  B
                                    every object
Session
  made by   nobody
  minting
  tags      none
  verdict   tenant-isolation VIOLATED
 may                              only where
No role here is assumed with session tags.
"""


def test_a_story_is_laid_out_in_two_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Text is folded where the terminal ends, and what a session may do stands beside where."""
    monkeypatch.setenv("COLUMNS", "60")
    rows, full = ("dynamodb:GetItem", "dynamodb:PutItem"), "w" * 48
    reaches = (
        Reach(rows, "Tasks", "partition = `{task_id}`"),
        Reach(rows, "Tasks", "more"),
        Reach(("s3:GetObjectVersionTagging,a", "b"), "B", "every object"),
    )
    facts = (Fact("identity", "agent=acme=?*"), Fact("revoked", f"{full} x"))
    makers = (Maker("Compute", "may choose any tags", is_open=True), Maker("Other", "a token"))
    whole = RoleStory("Session", makers, "open", ("task_id", "repo"), reaches, facts, "PROVED")
    nobody = verify({"Resources": {}})
    _print([whole, RoleStory("Session", (), "", (), (), (), "tenant-isolation VIOLATED")], nobody)
    _print([], nobody)
    printed = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
    assert printed == LAYOUT.replace("FORTY-EIGHT", full)


def test_steps_are_shown_on_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing seems to hang; a pipe that reads JSON gets nothing else."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    file = tmp_path / "small.template.json"
    file.write_text(json.dumps(example("small").template))
    capsys.readouterr()
    assert main(["explain", str(file)]) == 0
    assert "\x1b[?25l" in capsys.readouterr().err  # the cursor is hidden while a status is shown
    main(["verify", str(file), "--json"])
    assert capsys.readouterr().err == ""


def test_progress_is_told(tmp_path: Path) -> None:
    """Whoever waits for an explanation hears of each step, as with `verify`."""
    file, steps = tmp_path / "small.template.json", list[str]()
    file.write_text(json.dumps(example("small").template))
    tell(file, (), steps.append)
    assert any(step.startswith("session-tags: ") for step in steps)
