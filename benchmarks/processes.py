"""The reference app as whole processes: written with the constructs and by hand, one after the other."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.process import Run, alternating, middle, run
from benchmarks.report import Table, met

VERSIONS = {
    "constructs": ("benchmarks.with_constructs", "constructs"),
    "by hand on L2": ("benchmarks.by_hand", "l2"),
    "by hand on L1": ("benchmarks.by_hand", "l1"),
}
APPS = ("reference", "small")
RATIO_TARGET = 1.15
ROUNDS = {("small", 1): 15, ("reference", 1): 15, ("reference", 10): 5, ("reference", 40): 3}
"""Rounds for each app and number of session roles, each role with two compute roles in a stack of its own."""

Resources = dict[str, dict[str, Any]]


def start(version: str, app: str, session_roles: int, folder: Path) -> Run:
    """Synthesize one version of an app into the folder, in a process of its own."""
    made = run(*VERSIONS[version], app, session_roles, CDK_OUTDIR=str(folder))
    if made.report["uses_package"] is not (version == "constructs"):
        raise RuntimeError(f"{version}: the hand-written side, and only that, does without `session_scoping`")
    return made


def tables() -> Iterator[Table]:
    """Measure all versions in turn."""
    rows = []
    for (app, session_roles), rounds in ROUNDS.items():
        with TemporaryDirectory() as folder:
            sides = [partial(start, version, app, session_roles, Path(folder)) for version in VERSIONS]
            runs = dict(zip(VERSIONS, alternating(rounds, *sides), strict=True))
        by_hand = runs["by hand on L2"]
        for version, made in runs.items():
            ratios = [one.processor / other.processor for one, other in zip(made, by_hand, strict=True)]
            what = (app, session_roles, version, rounds)
            rows.append((*what, *_cells(made), middle(ratios, 2), *_verdict(version, ratios)))
    measured = ("rounds", "processor s", "wall s", "Python MiB", "Node MiB", "of L2", "target", "met")
    yield Table("processes", ("app", "session roles", "version", *measured), rows)


def _cells(runs: list[Run]) -> Iterator[str]:
    yield f"{median(one.processor for one in runs):.2f}"
    yield f"{median(one.seconds for one in runs):.2f}"
    yield from (f"{median(one.report[side] for one in runs):.0f}" for side in ("python_mib", "node_mib"))


def _verdict(version: str, ratios: list[float]) -> tuple[str, str]:
    return (f"<= {RATIO_TARGET}", met(median(ratios) <= RATIO_TARGET)) if version == "constructs" else ("", "")


def resources(folder: Path) -> Resources:
    """Return the resources of the app with one stack."""
    [template] = folder.glob("*.template.json")
    found: Resources = json.loads(template.read_text())["Resources"]
    return found


def differences(made: Mapping[str, Resources]) -> list[str]:
    """Return what the versions write differently: on L2 the whole template is equal, on L1 every role's documents."""
    ours, by_hand, lean = (made[version] for version in VERSIONS)
    problems = [f"by hand on L2 differs in {id_}" for id_ in ours | by_hand if ours.get(id_) != by_hand.get(id_)]
    roles, lean_roles = _documents(ours), _documents(lean)
    return problems + [
        f"by hand on L1 differs in {id_}" for id_ in roles | lean_roles if roles.get(id_) != lean_roles.get(id_)
    ]


def _documents(made: Resources) -> dict[str, Any]:
    """
    Return each role's and policy's documents and what the policy is attached to, so that L1 and L2 can be compared.

    Lists are sorted, a list of one becomes its element, and the hash the CDK appends to an L2's logical id is dropped.
    """
    ids = {id_: re.sub(r"[0-9A-F]{8}$", "", id_) for id_ in made}
    names = ("AssumeRolePolicyDocument", "PolicyDocument", "Roles")
    return {
        ids[id_]: _plain({name: value for name, value in resource["Properties"].items() if name in names}, ids)
        for id_, resource in made.items()
        if resource["Type"] in {"AWS::IAM::Role", "AWS::IAM::ManagedPolicy"}
    }


def _plain(value: Any, ids: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: part if key == "Fn::Join" else _plain(part, ids) for key, part in value.items()}
    if isinstance(value, list):
        parts = sorted((_plain(part, ids) for part in value), key=lambda part: json.dumps(part, sort_keys=True))
        return parts[0] if len(parts) == 1 else parts
    return ids.get(value, value) if isinstance(value, str) else value
