"""
Which tests execute which line: a pytest plugin that notes it, or runs given tests in a given order; and what it noted.

What a shared fixture executes counts for every test that asks for it, and caches are emptied before each test, so that
a line counts for each test that depends on it and not for the first one only.
"""

import json
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import coverage
import pytest

from tests.support import shared, simulator

PACKAGE = "session_scoping"
NOTES, ORDER, TEST = "MUTATE_NOTES", "MUTATE_ORDER", "MUTATE_TEST"
"""Environment: the folder for what is noted; a file with the tests to run; which test a child process works for."""

# For the processes that tests start: coverage reads it as Python starts up.
_CHILDREN = """
[run]
data_file = {folder}/child.coverage
parallel = true
source_pkgs = {package}
context = ${{{test}-}}
"""


class Notes:
    """Measures each test and each shared fixture as a context of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cover = coverage.Coverage(folder / "main.coverage", source_pkgs=[PACKAGE], config_file=False)
        self._cover.start()
        self._now = ""
        self._tests: dict[str, dict[str, Any]] = {}
        settings = folder / "children.ini"
        settings.write_text(_CHILDREN.format(folder=folder, package=PACKAGE, test=TEST))
        os.environ["COVERAGE_PROCESS_START"] = str(settings)

    def _switch(self, context: str) -> str:
        before, self._now = self._now, context
        self._cover.switch_context(context)
        os.environ[TEST] = context
        return before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Measure a test with its own fixtures."""
        _empty_caches()
        fixtures = [f"fixture {name}" for name in getattr(item, "fixturenames", [])]
        self._tests[item.nodeid] = {"seconds": 0.0, "passed": True, "contexts": [item.nodeid, *fixtures]}
        before = self._switch(item.nodeid)
        try:
            return (yield)
        finally:
            self._switch(before)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        """Measure a fixture that several tests share."""
        before = self._switch(self._now if fixturedef.scope == "function" else f"fixture {fixturedef.argname}")
        try:
            return (yield)
        finally:
            self._switch(before)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note how long the test took, and whether it passed."""
        self._tests[report.nodeid]["seconds"] += report.duration
        self._tests[report.nodeid]["passed"] &= report.passed

    def pytest_sessionfinish(self) -> None:
        """Write everything down."""
        self._cover.stop()
        self._cover.save()
        (self._folder / "tests.json").write_text(json.dumps(self._tests))


class Order:
    """Runs the listed tests only, as listed."""

    def __init__(self, tests: list[str]) -> None:
        self._place = {test: place for place, test in enumerate(tests)}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put the wanted tests in order and drop the others."""
        wanted = [item for item in items if item.nodeid in self._place]
        items[:] = sorted(wanted, key=lambda item: self._place[item.nodeid])


def _empty_caches() -> None:
    """Forget what cached functions remember and what tests share, but keep the simulator's process."""
    os.environ.pop(shared.FOLDER, None)
    for name, module in list(sys.modules.items()):
        if name.split(".")[0] in {PACKAGE, "tests", "reference", "examples"} and name != simulator.__name__:
            for value in list(vars(module).values()):
                with suppress(Exception):
                    value.cache_clear()


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Note or order, as the environment says; before a conftest imports what is measured."""
    if folder := os.environ.get(NOTES):
        early_config.pluginmanager.register(Notes(Path(folder)))
    if order := os.environ.get(ORDER):
        early_config.pluginmanager.register(Order(json.loads(Path(order).read_text())))


class Covering:
    """
    Which tests execute which line.

    Attributes:
        seconds: How long each test takes; those that fail or are skipped without a fault are left out.
        failing: Those.
        imported: The lines of each file that run while a module is imported.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.failing: list[str] = []
        self.imported: dict[str, set[int]] = defaultdict(set)
        self._lines: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))

    def read(self, folder: Path, root: Path) -> None:
        """Take in what `Notes` wrote to a folder about the package in a tree."""
        users: dict[str, list[str]] = defaultdict(list)
        for test, noted in json.loads((folder / "tests.json").read_text()).items():
            if not noted["passed"]:
                self.failing.append(test)
                continue
            self.seconds[test] = noted["seconds"]
            for context in noted["contexts"]:
                users[context].append(test)
        for path in folder.glob("*.coverage*"):
            data = coverage.CoverageData(str(path))
            data.read()
            # What a test copies elsewhere and runs there is no line of the tree.
            for file in filter(lambda name: Path(name).is_relative_to(root), data.measured_files()):
                name = Path(file).relative_to(root).as_posix()
                at = self._lines[name]
                for number, contexts in data.contexts_by_lineno(file).items():
                    self.imported[name].update([number] if "" in contexts else [])
                    at[number].update(test for context in contexts for test in users[context])

    def tests(self, places: Iterable[tuple[str, int]], file: str) -> list[str]:
        """
        Return the tests that execute one of the lines, or stand in one of the files if it is one of tests.

        The best come first: little time for many lines of the file in question.
        """
        places = set(places)
        named = {path for path, _ in places if path.startswith("tests/")}
        found = {test for path, line in places for test in self._lines[path][line]}
        found |= {test for test in self.seconds if test.partition("::")[0] in named}
        executed = Counter(test for tests in self._lines[file].values() for test in tests)
        return sorted(found, key=lambda test: self.seconds[test] / (executed[test] or 1))

    def to_json(self) -> dict[str, Any]:
        """Return everything in a form that JSON takes, each test in a line by its number."""
        numbers = {test: number for number, test in enumerate(self.seconds)}
        lines = {
            file: {line: sorted(numbers[test] for test in tests) for line, tests in at.items()}
            for file, at in self._lines.items()
        }
        imported = {file: sorted(at) for file, at in self.imported.items()}
        return {"seconds": self.seconds, "failing": self.failing, "imported": imported, "lines": lines}

    def add_json(self, kept: dict[str, Any], keep: Callable[[str], bool]) -> None:
        """Take in what `to_json` returned, of the tests that are to be kept."""
        tests = list(kept["seconds"])
        self.seconds |= {test: kept["seconds"][test] for test in filter(keep, tests)}
        self.failing += filter(keep, kept["failing"])
        for file, at in kept["imported"].items():
            self.imported[file].update(at)
        for file, lines in kept["lines"].items():
            for line, numbers in lines.items():
                self._lines[file][int(line)].update(filter(keep, (tests[number] for number in numbers)))
