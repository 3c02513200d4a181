"""How reports are laid out: stages told apart, lines that fit, no padding."""

import io
import itertools

import pytest
from rich.console import Console

from session_scoping.verify import Counterexample, Report, Result, Status, verify
from session_scoping.verify.reports.report import Labels
from session_scoping.verify.reports.terminal import print_table, standard_output
from tests.support.verify.examples import example

LONG = "arn:aws:s3:::" + "b" * 80 + "/traces/a/x"
EXAMPLE = Counterexample(
    "a session reaches an object of another session in Dev/Agents/Bucket",
    session={"task_id": "a", "user_id": "b" * 60, "repo": "c" * 30},
    action="s3:GetObject",
    resource=LONG,
)
REPORT = Report(
    (
        Result("object-isolation", "Dev/Agents/Session/Role → Dev/Agents/Bucket", Status.VIOLATED, "x " * 60, EXAMPLE),
        Result("object-isolation", "Prod/Agents/Session/Role → Prod/Agents/Bucket", Status.PROVED, "only `{task_id}`"),
        Result("no-external-access", "tenant data", Status.PROVED, "no policy of Prod/Agents/Bucket lets anybody in"),
    )
)


def _lines(report: Report, width: int) -> list[str]:
    out = io.StringIO()
    print_table(report, console=Console(file=out, width=width))
    return out.getvalue().splitlines()


def test_stages_are_told_apart() -> None:
    """The same stack in two stages keeps its stage; alone it does not need it."""
    both = Labels(["Dev/Agents/Session/Role", "Prod/Agents/Session/Role"])
    assert both.short("Dev/Agents/Session/Role") == "Dev/Agents/Session"
    assert Labels(["Dev/Agents/Session/Role"]).short("Dev/Agents/Session/Role") == "Agents/Session"
    rows = [line for line in _lines(REPORT, 120) if "object-isolation " in line]
    assert len({row.split("isolation")[1][:30] for row in rows[:2]}) == 2


def test_no_two_labels_come_out_the_same() -> None:
    """Whatever is cut off, and whatever that makes equal to a third, names stay different."""
    parts = ["", "Dev/", "App/Dev/", "arn:aws:s3:::"]
    names = ["X", "X/Role", "X1234ABCD", "X1234ABCD/Role", "Dev/X"]
    labels = ["".join(pair) for pair in itertools.product(parts, names)]
    short = Labels(labels)
    assert len({short.short(label) for label in labels}) == len(set(labels))


def test_a_label_inside_a_text_is_shortened_whole_or_not_at_all() -> None:
    """A longer name, a path below it and an ARN are other things."""
    labels = Labels(["App/Tasks", "arn:aws:dynamodb:eu-west-1:111122223333:table/t"])
    assert labels.within("in App/Tasks, not") == "in Tasks, not"
    for other in (
        "App/TasksIndex",
        "App/Tasks/Role",
        "My/App/Tasks",
        "arn:aws:dynamodb:eu-west-1:111122223333:table/t",
    ):
        assert labels.within(f"in {other}") == f"in {other}"


@pytest.mark.parametrize("width", [80, 100, 120, 200])
def test_lines_fit_and_carry_no_padding(width: int) -> None:
    """No line is longer than the terminal but for a single word, and none ends in a space."""
    lines = _lines(REPORT, width)
    assert [line for line in lines if line != line.rstrip()] == []
    assert [line for line in lines if len(line) > width and len(line.split()) > 1] == []
    assert any(line.strip() == LONG or line.endswith(f" on {LONG}") for line in lines)


def test_a_narrow_terminal_has_the_finding_below_its_row() -> None:
    """Under 100 columns a finding has the width of the terminal; from there on it stands beside its property."""
    narrow, wide = _lines(REPORT, 80), _lines(REPORT, 200)
    assert narrow[1:3] == [
        "VIOLATED  object-isolation    Dev/Agents/Session → Dev/Agents/Bucket",
        "    " + "x " * 37 + "x",
    ]
    assert wide[0].split() == ["property", "of", "finding"]
    assert any(line.endswith("  only `{task_id}`") and line.startswith("PROVED") for line in wide)


def test_a_counterexample_hangs_under_its_first_word() -> None:
    """A line that is folded goes on under what it says, not under the word in front."""
    lines = _lines(REPORT, 80)
    at = next(index for index, line in enumerate(lines) if line.startswith("  session  "))
    assert lines[at + 1].startswith(" " * 11 + "user_id=")


def test_details_have_the_short_names_too() -> None:
    """The same bucket has one name in a report."""
    subject = "App/Session/Role → App/Bucket1234ABCD"
    report = Report((Result("object-isolation", subject, Status.VIOLATED, "in App/Bucket1234ABCD"),))
    assert _lines(report, 120)[1].endswith("  Session → Bucket  in Bucket")


def test_a_log_is_wider_than_a_terminal_nobody_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe is 120 columns wide, unless the user says otherwise."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert standard_output().width == 120
    monkeypatch.setenv("COLUMNS", "90")
    assert standard_output().width == 90


def test_a_real_report_is_shortened() -> None:
    """No finding of the small stack has its stack's name."""
    assert [line for line in _lines(verify(example("small").template), 120) if "Small/" in line] == []
