"""
Put small faults into one package, one at a time, and show which of them its tests do not notice.

Run `make mutate ARGS=agent` (or `python -m tests.support.mutate agent`). Each fault is put into a copy of the working
tree, where the tests that execute the line run, the best first, until one fails. Faults that change nothing a test
could see are noted in equivalent_flips.toml, with the reason, and are not drawn.
"""

import argparse
import difflib
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from tests.support import ROOT, covering
from tests.support.covering import NOTES, ORDER, PACKAGE, Covering
from tests.support.flips import Flip, flips
from tests.support.mentions import Mentions

KEPT = ROOT / ".mutate"
NOTED = ROOT / "tests" / "support" / "equivalent_flips.toml"
OURS = {f"tests/support/{name}.py" for name in ("mutate", "flips", "covering", "mentions")}
ENOUGH = 0.9


class Part(NamedTuple):
    """Folders and files: where faults are put, and whose tests must notice."""

    sources: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = ()


HALVES = tuple(f"{PACKAGE}/{name}" for name in ("agent", "constructs", "verify"))
BUILT = "tests/unit/test_package.py"  # a wheel, which no fault can be put into
# They read the source itself, so that no line of it runs while they do.
READERS = tuple(f"tests/{name}.py" for name in ("agent/test_failures", "unit/test_contract", "unit/test_named_actions"))
# What calls the commands, the lists of actions, the bundles and the classes of botocore's errors from another room.
OF_REST = (
    *(f"tests/synth/test_{name}.py" for name in ("bucket_names", "token_minting", "token_vault")),
    *(
        f"tests/verify/test_{name}.py"
        for name in (
            *("configuration", "explain", "lost_tags", "odd_input", "public_function", "report_layout", "rule_pack"),
            *("sarif", "templates"),
        )
    ),
)
PARTS = {
    "agent": Part((HALVES[0],), ("tests/agent", "tests/aws/broker")),
    "constructs": Part((HALVES[1],), ("tests/synth",)),
    "verify": Part((HALVES[2],), ("tests/verify",)),
    "rest": Part((PACKAGE,), ("tests/unit", "tests/aws", *OF_REST), (*HALVES, BUILT)),
}


def files(names: tuple[str, ...], pattern: str) -> set[str]:
    """Return the files of these names, and those of this pattern in these folders."""
    found = (path for name in names for path in ([ROOT / name] if "." in name else (ROOT / name).rglob(pattern)))
    return {path.relative_to(ROOT).as_posix() for path in found}


@dataclass(frozen=True)
class Fault:
    """One flip of one file; `text` is its line."""

    file: str
    text: str
    flip: Flip

    def __str__(self) -> str:
        return f"{self.file}:{self.flip.line}: {self.flip.old} -> {self.flip.new or 'nothing'}"

    def diff(self) -> str:
        """Return the change as a diff."""
        source = (ROOT / self.file).read_bytes()
        before, after = (text.decode().splitlines() for text in (source, self.flip.apply(source)))
        return "\n".join(difflib.unified_diff(before, after, self.file, self.file, n=2, lineterm=""))


def faults(part: Part) -> list[Fault]:
    """Return every fault of the part's sources that is not noted as equivalent, by the text of its line."""
    noted = {(e["file"], e["line"], e["old"], e["new"]) for e in tomllib.loads(NOTED.read_text()).get("flip", [])}
    found: list[Fault] = []
    for file in sorted(files(part.sources, "*.py") - files(part.without, "*.py")):
        source = (ROOT / file).read_bytes()
        lines = source.decode().splitlines()
        found.extend(Fault(file, lines[flip.line - 1].strip(), flip) for flip in flips(source))
    return [one for one in found if (one.file, one.text, one.flip.old, one.flip.new) not in noted]


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
        self._python = self._environment(folder / ".venv")

    def _environment(self, venv: Path) -> Path:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
        (packages,) = venv.glob("lib/python*/site-packages")
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            # All but the editable install, which leads to the tree.
            if path.suffix != ".pth" or str(ROOT) not in path.read_text():
                (packages / path.name).symlink_to(path)
        start = 'import os; os.environ.get("COVERAGE_PROCESS_START") and __import__("coverage").process_startup()'
        (packages / "copy.pth").write_text(f"{self.root}\n{start}\n")
        return venv / "bin" / "python"

    def pytest(self, *arguments: str, seconds: float | None = None, settings: dict[str, str]) -> tuple[int | None, str]:
        """Run pytest in the copy; return its exit status, or None after so many seconds, and what it printed."""
        places = [self._python.parent, ROOT / ".venv" / "bin", os.environ["PATH"]]
        environment = {**os.environ, "PATH": os.pathsep.join(map(str, places)), **settings}
        command = [str(self._python), "-m", "pytest", "-p", covering.__name__, "-p", "no:cacheprovider", *arguments]
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

    def notices(self, fault: Fault, tests: list[str], turn: int, seconds: float) -> tuple[str, str]:
        """Put the fault in, run the tests, take it out; return what noticed it, or nothing, and what was printed."""
        path = self.root / fault.file
        source, changed = path.read_bytes(), path.stat().st_mtime
        path.write_bytes(fault.flip.apply(source))
        # Bytecode is known by its source's size and second: never those of an earlier fault.
        os.utime(path, (changed, changed + 2 * turn))
        order = self.root / ".order.json"
        order.write_text(json.dumps(tests))
        try:
            named = sorted({test.partition("::")[0] for test in tests})
            status, printed = self.pytest("-x", "--tb=short", *named, seconds=seconds, settings={ORDER: str(order)})
        finally:
            path.write_bytes(source)
            os.utime(path, (changed, changed))
        if status == 0:
            return "", printed
        failed = re.search(r"^(?:FAILED|ERROR) ([^\n]*?)(?: - |$)", printed, re.MULTILINE)
        return f"no end after {seconds:.0f} s" if status is None else failed[1] if failed else "a crash", printed


def measured(name: str, copies: list[Copy]) -> Covering:
    """Return which tests of a part execute which line; only files that have changed since the last time are run."""
    part, kept = PARTS[name], KEPT / f"{name}.json"
    wanted = sorted(files((*part.tests, *READERS), "test_*.py") - files(part.without, "test_*.py"))
    shared = sorted(files((PACKAGE, "tests"), "*.py") - files(("tests",), "test_*.py") - OURS)
    base = b"".join((ROOT / file).read_bytes() for file in shared)
    states = {file: hashlib.sha256(base + (ROOT / file).read_bytes()).hexdigest() for file in wanted}
    found = Covering()
    known = {"states": {}, **Covering().to_json()}
    if kept.exists() and (read := json.loads(kept.read_text())).keys() == known.keys():
        known = read
    current = {file for file in wanted if known["states"].get(file) == states[file]}
    found.add_json(known, lambda test: test.partition("::")[0] in current)
    if stale := [file for file in wanted if file not in current]:
        print(f"measuring {len(stale)} files of tests", flush=True)
        with ThreadPoolExecutor() as pool:
            shares = [stale[place :: len(copies)] for place in range(len(copies))]
            list(pool.map(lambda copy, share: _measure(found, copy, share), copies, shares))
        KEPT.mkdir(exist_ok=True)
        kept.write_text(json.dumps({"states": states, **found.to_json()}))
    return found


def _measure(found: Covering, copy: Copy, named: list[str]) -> None:
    if not named:
        return
    with tempfile.TemporaryDirectory() as folder:
        status, printed = copy.pytest(*named, settings={NOTES: folder})
        if status not in {0, 1}:
            raise RuntimeError(f"the tests do not run without a fault:\n{printed}")
        found.read(Path(folder), copy.root)


class Trial:
    """Tries faults in two copies at a time."""

    def __init__(self, name: str, folder: Path) -> None:
        copies = [Copy(folder / "one"), Copy(folder / "two")]
        self._covering = measured(name, copies)
        self._mentions = Mentions(ROOT, files((PACKAGE, "tests"), "*.py"))
        self._free: SimpleQueue[Copy] = SimpleQueue()
        for copy in copies:
            self._free.put(copy)
        for file, count in Counter(test.partition("::")[0] for test in self._covering.failing).items():
            print(f"left out, since they fail or are skipped without a fault: {count} tests of {file}")

    def _places(self, fault: Fault) -> Iterator[tuple[str, int]]:
        """Yield the lines whose tests may notice: the statement's, and where it runs at import those that name it."""
        lines = range(fault.flip.since, fault.flip.until + 1)
        yield from ((fault.file, line) for line in lines)
        called = self._covering.imported[fault.file].intersection(lines) and not fault.flip.names
        yield from self._mentions.of([fault.flip.function] if called else fault.flip.names)
        yield from ((reader, 0) for reader in READERS)

    def notices(self, number: int, fault: Fault, seconds: float) -> tuple[bool, str]:
        """Try one fault with the best of its tests, as many as take so many seconds; return what they printed too."""
        known = self._covering.tests(self._places(fault), fault.file)
        ends = accumulate(self._covering.seconds[test] for test in known)
        tests = [test for test, end in zip(known, ends, strict=True) if end <= seconds] or known[:1]
        copy = self._free.get()
        try:
            by, printed = copy.notices(fault, tests, number, 60 + 5 * seconds) if tests else ("", "")
        finally:
            self._free.put(copy)
        said = (
            f"noticed by {by}" if by else f"NOT NOTICED by {len(tests)} tests of {len(known)} that execute or read it"
        )
        print(f"{number:3} {fault}\n    {said}", flush=True)
        return bool(by), printed


def main() -> int:
    """Try a sample of a part's faults; return 1 if too few are noticed."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument("part", choices=PARTS, metavar="PACKAGE", help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=random.randrange(1000), help="draw the same sample again")
    parser.add_argument("--count", type=int, default=100, help="how many faults (default: 100)")
    parser.add_argument("--seconds", type=float, default=120, help="of test time for each fault (default: 120)")
    parser.add_argument("--only", type=int, nargs="+", help="only these numbers of the sample, with what pytest says")
    chosen = parser.parse_args()
    drawn = dict(enumerate(sample(faults(PARTS[chosen.part]), chosen.seed, chosen.count), 1))
    tried = {number: drawn[number] for number in chosen.only or drawn}
    print(f"{chosen.part}: {len(tried)} faults, seed {chosen.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mutate-") as folder, ThreadPoolExecutor(2) as pool:
        trial = Trial(chosen.part, Path(folder).resolve())
        answers = dict(zip(tried, pool.map(lambda n: trial.notices(n, tried[n], chosen.seconds), tried), strict=True))
    left = [number for number, (was, _) in answers.items() if not was]
    for number in chosen.only or left:
        print(f"\n{number}\n{tried[number].diff()}", answers[number][1] if chosen.only else "", sep="\n")
    print(f"\n{chosen.part}: {len(tried) - len(left)} of {len(tried)} noticed, seed {chosen.seed}")
    return len(left) > (1 - ENOUGH) * len(tried)


if __name__ == "__main__":
    sys.exit(main())
