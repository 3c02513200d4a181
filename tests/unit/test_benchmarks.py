"""The benchmarks compare what they say: equal apps, one side without this package, figures that are those printed."""

from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.process import Run, run
from benchmarks.processes import APPS, VERSIONS, Resources, differences, resources, start
from benchmarks.report import Table

Made = dict[str, tuple[Run, Resources]]


@pytest.fixture(scope="module", params=APPS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return what each version's process reports, and the resources it writes."""
    folders = {version: tmp_path_factory.mktemp("app") for version in VERSIONS}
    runs = {version: start(version, request.param, 1, folder) for version, folder in folders.items()}
    return {version: (runs[version], resources(folder)) for version, folder in folders.items()}


def test_the_app_by_hand_runs_without_this_package(made: Made) -> None:
    """Neither hand-written version loads `session_scoping`, so its import counts for the constructs alone."""
    assert [run.report["uses_package"] for run, _ in made.values()] == [True, False, False]


def test_plain_boto3_runs_without_this_package() -> None:
    """The client that a task session's is compared with loads nothing of ours."""
    assert not run("benchmarks.agent_client", "plain").report["uses_package"]


def test_all_versions_write_the_same(made: Made) -> None:
    """The statements of each role are equal, and on L2 the whole template is."""
    assert differences({version: written for version, (_, written) in made.items()}) == []


@pytest.mark.parametrize("version", ["by hand on L2", "by hand on L1"])
def test_a_statement_less_is_a_difference(made: Made, version: str) -> None:
    """The comparison notices one statement that one side does not have, and names the policy."""
    written = {name: dict(found) for name, (_, found) in made.items()}
    [id_] = [one for one in written[version] if one.startswith("SessionRoleGuards")]
    policy = written[version][id_]
    [_, *fewer] = policy["Properties"]["PolicyDocument"]["Statement"]
    document = {**policy["Properties"]["PolicyDocument"], "Statement": fewer}
    written[version][id_] = {**policy, "Properties": {**policy["Properties"], "PolicyDocument": document}}
    [problem] = differences(written)
    assert problem.startswith(f"{version} differs in SessionRoleGuards")


def test_a_figure_that_changed_fails_the_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written passes, whenever and wherever; another figure is shown with the printed one."""
    monkeypatch.setattr(report, "README", tmp_path / "README.md")
    report.README.write_text("Before.\n<!-- calls: begin -->\n<!-- calls: end -->\nAfter.\n")
    report.write([Table("calls", ("calls",), [(1093,)])], "today, here")
    report.write([Table("calls", ("calls",), [(1094,)])], "tomorrow, there")
    assert report.README.read_text().count("| calls |") == 1
    assert report.check([Table("calls", ("calls",), [(1094,)])]) == []
    assert report.check([Table("calls", ("calls",), [(1101,)])])[-2:] == ["-| 1,094 |", "+| 1,101 |"]
