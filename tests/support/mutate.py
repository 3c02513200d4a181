"""
Put small faults into one package, one at a time, and show which of them its tests do not notice.

Run `make mutate ARGS=agent` (or `python -m tests.support.mutate agent`). Each fault is put into a copy of the working
tree, where the tests that execute the line run, the fastest first, until one fails. Faults that change nothing a test
could see are noted in equivalent_flips.toml, with the reason, and are not drawn.
"""

import argparse
import ast
import difflib
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from queue import SimpleQueue
from typing import Any, NamedTuple

import coverage

from tests.support import ROOT
from tests.support.covering import NOTES, ORDER, PACKAGE
from tests.support.flips import Flip, flips

KEPT = ROOT / ".mutate"
NOTED = ROOT / "tests" / "support" / "equivalent_flips.toml"
ENOUGH = 0.9


class Part(NamedTuple):
    """Which sources, and which tests must notice a fault in them; folders or files."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()

    def test_files(self) -> list[str]:
        """Return the files with the tests."""
        return sorted(set(_test_files(self.tests)) - set(_test_files(self.without)))


def _test_files(names: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        for path in [ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("test_*.py"):
            yield path.relative_to(ROOT).as_posix()


HALVES = tuple(f"{PACKAGE}/{name}" for name in ("agent", "constructs", "verify"))
BUILT = "tests/unit/test_package.py"  # a wheel, which no fault can be put into
PARTS = {
    "agent": Part((HALVES[0],), ("tests/agent", "tests/aws/broker")),
    "constructs": Part((HALVES[1],), ("tests/synth",)),
    "verify": Part((HALVES[2],), ("tests/verify",)),
    "rest": Part((PACKAGE,), ("tests/unit", "tests/synth", "tests/agent", "tests/aws"), (BUILT,)),
}


@dataclass(frozen=True)
class Fault:
    """One flip of one file."""

    file: str
    text: str
    flip: Flip

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What it is known by, wherever the line has moved."""
        return self.file, self.text, self.flip.old, self.flip.new

    def diff(self, root: Path) -> str:
        """Return the change as a diff."""
        source = (root / self.file).read_bytes()
        before, after = (text.decode().splitlines() for text in (source, self.flip.apply(source)))
        return "\n".join(difflib.unified_diff(before, after, self.file, self.file, n=2, lineterm=""))


def faults(part: Part) -> list[Fault]:
    """Return every fault of the part's sources that is not noted as equivalent."""
    noted = {(e["file"], e["line"], e["old"], e["new"]) for e in tomllib.loads(NOTED.read_text()).get("flip", [])}
    other = [half for half in HALVES if half not in part.sources]
    found: list[Fault] = []
    for path in sorted(path for folder in part.sources for path in (ROOT / folder).rglob("*.py")):
        file = path.relative_to(ROOT).as_posix()
        if not any(file.startswith(f"{half}/") for half in other):
            source = path.read_bytes()
            lines = source.decode().splitlines()
            found.extend(Fault(file, lines[flip.line - 1].strip(), flip) for flip in flips(source))
    return [fault for fault in found if fault.key not in noted]


def sample(found: list[Fault], seed: int, count: int) -> list[Fault]:
    """Draw lines, then one fault of each: a line with many constants is no likelier than another."""
    by_line: dict[tuple[str, int], list[Fault]] = defaultdict(list)
    for fault in found:
        by_line[fault.file, fault.flip.line].append(fault)
    chance = random.Random(seed)
    lines = chance.sample(sorted(by_line), min(count, len(by_line)))
    return [chance.choice(by_line[line]) for line in lines]


class Copy:
    """A copy of the working tree with a virtual environment whose every process imports the copy."""

    def __init__(self, folder: Path) -> None:
        listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, check=True)
        self.root = folder
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        (folder / "node_modules").symlink_to(ROOT / "node_modules")
        self.python = self._environment(folder / ".venv")

    def _environment(self, venv: Path) -> Path:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        (packages,) = venv.glob("lib/python*/site-packages")
        for path in Path(coverage.__file__).parents[1].iterdir():
            if path.suffix != ".pth" or str(ROOT) not in path.read_text():
                (packages / path.name).symlink_to(path)
        start = 'import os; os.environ.get("COVERAGE_PROCESS_START") and __import__("coverage").process_startup()'
        (packages / "copy.pth").write_text(f"{self.root}\n{start}\n")
        return venv / "bin" / "python"

    def pytest(self, *arguments: str, seconds: float | None = None, settings: dict[str, str]) -> tuple[int | None, str]:
        """Run pytest in the copy; return its exit status, or None after so many seconds, and what it printed."""
        places = [self.python.parent, ROOT / ".venv" / "bin", os.environ["PATH"]]
        environment = {**os.environ, "PATH": os.pathsep.join(map(str, places)), **settings}
        command = [
            str(self.python),
            "-m",
            "pytest",
            "-p",
            "tests.support.covering",
            "-p",
            "no:cacheprovider",
            *arguments,
        ]
        with tempfile.TemporaryFile("w+") as out:
            # A group of its own: a child that hangs ends with it.
            run = subprocess.Popen(
                command, cwd=self.root, env=environment, stdout=out, stderr=out, text=True, start_new_session=True
            )
            try:
                status: int | None = run.wait(seconds)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                if run.poll() is None:
                    os.killpg(run.pid, signal.SIGKILL)
                    run.wait()
            out.seek(0)
            return status, out.read()


class Covering:
    """Which tests of a part execute which line, measured once for a state of the sources and tests."""

    def __init__(self, part: Part, copy: Copy) -> None:
        names = sorted(path for top in (PACKAGE, "tests") for path in (copy.root / top).rglob("*.py"))
        state = hashlib.sha256(b"".join(path.read_bytes() for path in names) + repr(part).encode()).hexdigest()[:16]
        self._kept = KEPT / f"{state}.json"
        if not self._kept.exists():
            KEPT.mkdir(exist_ok=True)
            self._kept.write_text(json.dumps(self._measure(part, copy)))
        known = json.loads(self._kept.read_text())
        self.seconds: dict[str, float] = known["seconds"]
        self.failing: list[str] = known["failing"]
        self._lines: dict[str, dict[str, list[str]]] = defaultdict(dict, known["lines"])
        self._mentions: dict[str, set[tuple[str, int]]] = defaultdict(set)
        for path in (copy.root / PACKAGE).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Name | ast.Attribute):
                    name = node.id if isinstance(node, ast.Name) else node.attr
                    self._mentions[name].add((path.relative_to(copy.root).as_posix(), node.lineno))

    def _measure(self, part: Part, copy: Copy) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            status, printed = copy.pytest(*part.test_files(), settings={NOTES: folder})
            if status not in {0, 1}:
                sys.exit(f"the tests do not run without a fault:\n{printed}")
            tests = json.loads((Path(folder) / "tests.json").read_text())
            users: dict[str, list[str]] = defaultdict(list)
            for test, noted in tests.items():
                for context in noted["contexts"] if noted["passed"] else ():
                    users[context].append(test)
            lines: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
            for path in Path(folder).glob("*.coverage*"):
                data = coverage.CoverageData(str(path))
                data.read()
                for file in data.measured_files():
                    short = Path(file).relative_to(copy.root).as_posix()
                    for number, contexts in data.contexts_by_lineno(file).items():
                        lines[short][str(number)].update(test for c in contexts for test in users[c])
        return {
            "seconds": {test: noted["seconds"] for test, noted in tests.items() if noted["passed"]},
            "failing": [test for test, noted in tests.items() if not noted["passed"]],
            "lines": {file: {line: sorted(found) for line, found in at.items()} for file, at in lines.items()},
        }

    def tests(self, fault: Fault) -> list[str]:
        """
        Return the tests that may notice, the best first: little time for many lines of the file.

        What runs at import counts for whoever executes a line that names it, or for all.
        """
        flip = fault.flip
        found = self._at(fault.file, *range(flip.since, flip.until + 1))
        if flip.names:
            found |= {
                test for name in flip.names for file, line in self._mentions[name] for test in self._at(file, line)
            }
            found = found or set(self.seconds)
        executed = Counter(test for tests in self._lines[fault.file].values() for test in tests)
        return sorted(found, key=lambda test: self.seconds[test] / (executed[test] or 1))

    def _at(self, file: str, *lines: int) -> set[str]:
        at = self._lines.get(file, {})
        return {test for line in lines for test in at.get(str(line), ())}


def noticed(copy: Copy, fault: Fault, tests: list[str], turn: int, allowed: float) -> tuple[bool, str]:
    """Put the fault into the copy, run the tests, take it out; return whether they noticed, and what was printed."""
    path = copy.root / fault.file
    source, changed = path.read_bytes(), path.stat().st_mtime
    path.write_bytes(fault.flip.apply(source))
    # Bytecode is known by its source's size and second: never those of an earlier fault.
    os.utime(path, (changed, changed + 2 * turn))
    order = copy.root / ".order.json"
    order.write_text(json.dumps(tests))
    try:
        files = sorted({test.split("::")[0] for test in tests})
        status, printed = copy.pytest("-x", "--tb=short", *files, seconds=allowed, settings={ORDER: str(order)})
    finally:
        path.write_bytes(source)
        os.utime(path, (changed, changed))
    return status != 0, printed if status is not None else f"{printed}\nno end after {allowed:.0f} s"


class Trial:
    """Tries faults in two copies at a time."""

    def __init__(self, part: Part, folder: Path) -> None:
        self._free: SimpleQueue[Copy] = SimpleQueue()
        for name in ("one", "two"):
            (folder / name).mkdir()
            self._free.put(Copy(folder / name))
        first = self._free.get()
        self._covering = Covering(part, first)
        self._free.put(first)
        for test in self._covering.failing:
            print(f"left out, since it fails or is skipped without a fault: {test}")

    def notices(self, number: int, fault: Fault, seconds: float) -> tuple[bool, str]:
        """Try one fault with the best of its tests, as many as take so many seconds; return what they printed too."""
        known = self._covering.tests(fault)
        ends = accumulate(self._covering.seconds[test] for test in known)
        tests = [test for test, end in zip(known, ends, strict=True) if end <= seconds] or known[:1]
        copy = self._free.get()
        try:
            allowed = 60 + 5 * seconds
            was, printed = noticed(copy, fault, tests, number, allowed) if tests else (False, "no test executes it")
        finally:
            self._free.put(copy)
        said = "noticed" if was else f"NOT NOTICED by {len(tests)} tests of {len(known)}"
        new = fault.flip.new or "nothing"
        print(f"{number:4} {said}: {fault.file}:{fault.flip.line}: {fault.flip.old} -> {new}", flush=True)
        return was, printed


def main() -> int:
    """Try a sample of a part's faults; return 1 if too few are noticed."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("part", choices=PARTS, metavar="PACKAGE", help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=random.randrange(1000), help="draw the same sample again")
    parser.add_argument("--count", type=int, default=100, help="how many faults (default: 100)")
    parser.add_argument("--seconds", type=float, default=60, help="of test time for each fault (default: 60)")
    parser.add_argument("--only", type=int, nargs="+", help="only these numbers of the sample, with what pytest says")
    chosen = parser.parse_args()
    part = PARTS[chosen.part]
    drawn = dict(enumerate(sample(faults(part), chosen.seed, chosen.count), 1))
    tried = {number: drawn[number] for number in chosen.only or drawn}
    print(f"{chosen.part}: {len(tried)} faults, seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder, ThreadPoolExecutor(2) as pool:
        trial = Trial(part, Path(folder).resolve())
        answers = dict(zip(tried, pool.map(lambda n: trial.notices(n, tried[n], chosen.seconds), tried), strict=True))
    left = [number for number, (was, _) in answers.items() if not was]
    for number in chosen.only or left:
        print(f"\n{number}\n{tried[number].diff(ROOT)}", answers[number][1] if chosen.only else "", sep="\n")
    print(f"\n{chosen.part}: {len(tried) - len(left)} of {len(tried)} noticed, seed {chosen.seed}")
    return len(left) > (1 - ENOUGH) * len(tried)


if __name__ == "__main__":
    sys.exit(main())
