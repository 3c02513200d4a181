"""What the agent half adds to boto3, each side in processes of its own."""

from collections.abc import Iterator
from importlib.metadata import files, requires
from pathlib import Path
from statistics import median

from packaging.requirements import Requirement

import session_scoping
from benchmarks.process import alternating, middle, run
from benchmarks.report import Table

ROUNDS = 20
ASKED = {
    "start": ("from the interpreter's start to the first client, ms of processor time", 0),
    "mib": ("peak memory, MiB", 1),
    "get_item": ("one GetItem, microseconds of processor time, fastest round", 1),
    "read": ("reading credentials once, microseconds, fastest round", 2),
}


def tables() -> Iterator[Table]:
    """Measure both sides in turn, and weigh what is installed."""
    sides = [lambda side=side: run("benchmarks.agent_client", side) for side in ("plain", "task")]
    plain, task = ([one.report for one in runs] for runs in alternating(ROUNDS, *sides))
    if any(one["uses_package"] for one in plain):
        raise RuntimeError("the plain side imports `session_scoping`")
    rows = []
    for key, (what, digits) in ASKED.items():
        theirs, ours = ([one[key] for one in side] for side in (plain, task))
        added = [one - other for one, other in zip(ours, theirs, strict=True)]
        rows.append((what, f"{median(theirs):.{digits}f}", f"{median(ours):.{digits}f}", middle(added, digits)))
    yield Table("agent", ("", "plain boto3", "TaskSession", "difference, pair by pair"), rows)
    yield installed()


def installed() -> Table:
    """Add up the files of boto3 and all it needs, and those of this package, without bytecode."""
    theirs = sum(map(size_of, needed_by("boto3", set())))
    beyond = needed_by("session-scoping", set(), extra="agent") - needed_by("boto3", set()) - {"session-scoping"}
    package = Path(session_scoping.__file__).parent
    ours = sum(file.stat().st_size for file in package.rglob("*") if file.is_file() and file.suffix != ".pyc")
    ours += sum(map(size_of, beyond))
    row = (f"{theirs / 1e6:.2f}", f"{(theirs + ours) / 1e6:.2f}", f"{ours / 1e6:.2f}", len(beyond))
    return Table("installed", ("boto3, MB", "session-scoping[agent], MB", "difference", "packages beyond"), [row])


def needed_by(name: str, seen: set[str], extra: str = "") -> set[str]:
    """Return the distribution and all it needs on this machine."""
    if name not in seen:
        seen.add(name)
        for requirement in map(Requirement, requires(name) or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                needed_by(requirement.name, seen)
    return seen


def size_of(distribution: str) -> int:
    """Return the bytes of a distribution's files."""
    kept = (Path(str(file.locate())) for file in files(distribution) or () if file.suffix != ".pyc")
    return sum(file.stat().st_size for file in kept if file.exists())
