"""
Size, capacity, cost and growth of the constructs, as tables.

Run it with `make bench-constructs`; it also replaces the tables in `benchmarks/README.md`. Sizes, capacities, kernel
calls and logical ids are the same on every machine and are held to their targets; milliseconds are only shown.
"""

import json
import os
import platform
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION", "20")
# Without this the first synth of a process runs a template validator of several seconds, whatever is synthesized.
os.environ["CDK_VALIDATION"] = "false"

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import cx_api

from app import MODELS
from benchmarks import by_hand
from benchmarks.kernel import Cost, counted
from benchmarks.reference import Platform, new_app, with_constructs
from session_scoping import (
    ComputeBackend,
    Minting,
    Models,
    QuotaExceededError,
    ScopedComputeRole,
    SessionRole,
    TenantObjects,
    TenantTable,
)
from session_scoping.constructs.cdk.policy_series import ATTACHED_POLICIES_LEFT_FREE, ATTACHED_POLICIES_MAX
from session_scoping.constructs.cdk.policy_sizes import MANAGED_POLICY_MAX, TRUST_POLICY_MAX

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- tables: begin -->\n", "<!-- tables: end -->\n"

DOCUMENT_TARGET = 5473  # what the reference system's weaker session policy takes
CALLS_TARGET = 1.05
MODELS_TARGET, TABLES_TARGET = 60, 40
NAME_LENGTH = 60
USABLE = ATTACHED_POLICIES_MAX - ATTACHED_POLICIES_LEFT_FREE
CONCRETE = cdk.Environment(account="123456789012", region="us-east-1")
POLICY, ROLE = "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"
ACCESS = (("get", "put", "update"), "append-only", ("get", "put", "update", "condition-check"), ("query", "update"))
ROUNDS = 5

Resources = dict[str, dict[str, Any]]


def main() -> None:
    """Print all tables; with `--write`, put them into the README too."""
    failures: list[str] = []
    report = "\n".join([_made_by(), *sizes(failures), *capacity(failures), *cost(failures), *growth(failures)])
    print(report)
    if "--write" in sys.argv:
        head, rest = README.read_text().split(BEGIN)
        README.write_text(f"{head}{BEGIN}\n{report}\n{END}{rest.split(END)[1]}")
    if failures:
        sys.exit("missed: " + "; ".join(failures))


def sizes(failures: list[str]) -> Iterator[str]:
    """Measure every document of the reference stack as it is rendered."""
    measured: dict[str, list[int]] = {}
    for env in (None, CONCRETE):
        app = new_app()
        stack = Platform(app, "SessionScopingReference", env=env)
        ruler = with_constructs(stack)._ruler
        for id_, resource in _resources(app.synth()).items():
            properties = resource.get("Properties", {})
            if resource["Type"] == POLICY:
                measured.setdefault(f"policy `{id_[:-8]}`", []).append(ruler.document(properties["PolicyDocument"]))
            if resource["Type"] == ROLE:
                trust = ruler.document(properties["AssumeRolePolicyDocument"])
                measured.setdefault(f"trust of `{id_[:-8]}`", []).append(trust)
    rows = []
    for what, (agnostic, concrete) in measured.items():
        trust = what.startswith("trust")
        target, quota = (TRUST_POLICY_MAX,) * 2 if trust else (DOCUMENT_TARGET, MANAGED_POLICY_MAX)
        met = _met(max(agnostic, concrete) < target, f"{what} is larger than {target}", failures)
        rows.append((what, agnostic, concrete, f"< {target:,}", f"{quota:,}", met))
    yield from _table(
        "Size: characters of each document of the reference stack, as rendered",
        "Five models, four tables, two buckets. Names, Regions and partitions that are not known before deployment "
        "count at the length CloudFormation generates, or the longest there is; hence the environment-agnostic stack "
        "is the larger one.",
        ("document", "env-agnostic", "us-east-1", "target", "quota", "met"),
        rows,
    )


def capacity(failures: list[str]) -> Iterator[str]:
    """Find how many models and tables fit, and check that growing renames nothing."""
    rows = []
    for tables, models in ((4, 5), (4, MODELS_TARGET), (TABLES_TARGET, 5), (TABLES_TARGET, MODELS_TARGET)):
        attached = attachments(tables, models)
        both = tables == TABLES_TARGET and models == MODELS_TARGET
        met = "" if both else _met(attached is not None, f"{tables} tables, {models} models", failures)
        shown = [str(attached[role]) for role in ("Session", "AgentCore", "Ecs")] if attached else ["too many"] * 3
        rows.append((tables, models, *shown, met or "(no target)"))
    yield from _table(
        "Capacity: managed policies attached to each role",
        f"IAM attaches {ATTACHED_POLICIES_MAX}; {ATTACHED_POLICIES_LEFT_FREE} stay free, so at most {USABLE}. Table "
        f"names of {NAME_LENGTH} characters, model ids of {len(_model(0))}, the reference stack's objects, "
        "environment-agnostic. A compute role carries its own Permissions, and Mint, ComputeGuards and RolesGuard of "
        "one session role.",
        ("tables", "models", "session role", "AgentCore role", "ECS role", "fits"),
        rows,
    )
    searches: list[tuple[str, int | None, Callable[[int], bool]]] = [
        ("models beside 4 tables", MODELS_TARGET, lambda count: attachments(4, count) is not None),
        ("tables beside 5 models", TABLES_TARGET, lambda count: attachments(count, 5) is not None),
        ("models beside 40 tables", None, lambda count: attachments(TABLES_TARGET, count) is not None),
        ("tables beside 60 models", None, lambda count: attachments(count, MODELS_TARGET) is not None),
        ("tables and as many models", None, lambda count: attachments(count, count) is not None),
    ]
    found = [(what, target, largest(fits)) for what, target, fits in searches]
    yield from _table(
        "Capacity: the largest number that fits",
        "Found by trying. All three roles keep two attachments free.",
        ("what", "largest", "target", "met"),
        [
            (
                what,
                most,
                f">= {target}" if target else "none",
                _met(most >= target, f"{most} {what}", failures) if target else "",
            )
            for what, target, most in found
        ],
    )
    smaller = _ids(4, 5)
    grown = {f"{tables} tables, {models} models": _ids(tables, models) for tables, models in _GROWN}
    yield from _table(
        "Logical ids when the stack grows",
        f"Every role and policy of the stack with 4 tables and 5 models ({len(smaller)} ids) keeps its logical id.",
        ("grown to", "ids", "renamed or gone", "met"),
        [
            (what, len(ids), len(smaller - ids), _met(smaller <= ids, f"renamed with {what}", failures))
            for what, ids in grown.items()
        ],
    )


_GROWN = ((5, 5), (4, 6), (TABLES_TARGET, 5), (4, MODELS_TARGET))


def cost(failures: list[str]) -> Iterator[str]:
    """Compare with the same documents by hand, in one process."""
    versions: dict[str, Callable[[Platform], object]] = {
        "constructs": with_constructs,
        "by hand on L2": by_hand.on_l2,
        "by hand on L1": by_hand.on_l1,
    }
    costs: dict[str, list[tuple[Cost, Cost]]] = {name: [] for name in versions}
    written: dict[str, Resources] = {}
    for _ in range(ROUNDS):
        for name, build in versions.items():
            app = new_app()
            stack = Platform(app, "Reference")
            with counted() as building:
                build(stack)
            with counted() as synthesizing:
                assembly = app.synth()
            written[name] = _resources(assembly)
            costs[name].append((building, synthesizing))
    if written["constructs"] != written["by hand on L2"]:
        failures.append("the template by hand on L2 differs")
    if _documents(written["constructs"]) != _documents(written["by hand on L1"]):
        failures.append("the documents by hand on L1 differ")
    calls = {name: sum(cost.calls for cost in rounds[-1]) for name, rounds in costs.items()}
    rows = []
    for name, rounds in costs.items():
        building, synthesizing = rounds[-1]
        ratio = calls[name] / calls["by hand on L2"]
        met = _met(ratio <= CALLS_TARGET, f"{ratio:.2f} x the calls", failures) if name == "constructs" else ""
        milliseconds = [f"{median(pair[part].milliseconds for pair in rounds):.0f}" for part in (0, 1)]
        rows.append((name, building.calls, synthesizing.calls, calls[name], f"{ratio:.3f}", *milliseconds, met))
    yield from _table(
        "Cost: kernel calls and milliseconds of the two compute roles and the session role",
        f"One call is one trip to the CDK's Node process. All three write equal documents (checked; on L2 the whole "
        f"template is equal). By hand, nothing is checked, measured or acknowledged to cdk-nag; the constructs do all "
        f"three. On L2 every statement is a PolicyStatement, and three of the calls make the scopes that give equal "
        f"logical ids. Target: at most {CALLS_TARGET} times the calls of L2. Milliseconds: median of {ROUNDS} rounds; "
        "synth includes the tables and buckets.",
        ("version", "calls to build", "calls in synth", "calls", "of L2", "ms to build", "ms in synth", "met"),
        rows,
    )


def growth(failures: list[str]) -> Iterator[str]:
    """Build 1, 10 and 100 session roles in one app, each in a stack of its own, because a stack holds 500 resources."""
    rows, per_role = [], []
    for count in (1, 10, 100):
        app = new_app()
        stacks = [Platform(app, f"Reference{number}") for number in range(count)]
        with counted() as building:
            for stack in stacks:
                with_constructs(stack)
        with counted() as synthesizing:
            app.synth()
        calls = building.calls + synthesizing.calls
        per_role.append(calls / count)
        milliseconds = (building.milliseconds, synthesizing.milliseconds)
        rows.append((count, calls, f"{calls / count:.1f}", *(f"{total / count:.0f}" for total in milliseconds)))
    if per_role[2] > per_role[1]:
        failures.append("calls for each session role grow with their number")
    yield from _table(
        "Growth: session roles in one app, each with two compute roles, in a stack of its own",
        "Linear: the calls for each role do not grow with the number of roles. In an app of several stacks each table "
        "and bucket is asked once which stack it stands in. Milliseconds are for each role; synth "
        "includes its tables and buckets.",
        ("session roles", "calls", "calls for each", "ms to build each", "ms in synth each"),
        rows,
    )


@cache
def attachments(tables: int, models: int) -> Counter[str] | None:
    """Return how many managed policies each role gets; nothing where a role would have too many."""
    try:
        resources = _grown(tables, models)
    except QuotaExceededError:
        return None
    attached: Counter[str] = Counter()
    for resource in resources.values():
        if resource["Type"] == POLICY:
            attached.update(role["Ref"][:-8].removesuffix("Role") for role in resource["Properties"]["Roles"])
    return attached if max(attached.values()) <= USABLE else None


def largest(fits: Callable[[int], bool]) -> int:
    """Return the largest number that fits, by doubling and halving."""
    low, high = 1, 2
    while fits(high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


@cache
def _grown(tables: int, models: int) -> Resources:
    app = new_app()
    stack = Platform(app, "Reference")
    made = [_named_table(stack, number) for number in range(tables)]
    allowed = Models.profile("us", [_model(number) for number in range(models)])
    shared: dict[str, Any] = {
        "models": allowed,
        "secrets": [stack.secret],
        "memory": stack.memory,
        "log_groups": [stack.log_group],
    }
    agents = ScopedComputeRole(
        stack, "AgentCore", backend=ComputeBackend.AGENTCORE, repository=stack.repository, **shared
    )
    tasks = ScopedComputeRole(stack, "Ecs", backend=ComputeBackend.ECS, **shared)
    SessionRole(
        stack,
        "Session",
        minting=Minting.by_compute_roles(agents, tasks),
        tables=[TenantTable(table, access=ACCESS[number % len(ACCESS)]) for number, table in enumerate(made)],
        objects=[
            TenantObjects.traces(stack.traces),
            TenantObjects.artifacts(stack.traces),
            TenantObjects.attachments(stack.attachments),
        ],
        models=allowed,
    )
    return _resources(app.synth())


def _named_table(stack: cdk.Stack, number: int) -> dynamodb.Table:
    return dynamodb.Table(
        stack,
        f"Table{number}",
        table_name=f"table-{number:04}-".ljust(NAME_LENGTH, "x"),
        partition_key=dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING),
    )


def _model(number: int) -> str:
    longest = max(MODELS, key=len)
    return longest.replace("20250929", f"{20250000 + number}")


def _ids(tables: int, models: int) -> set[str]:
    return {id_ for id_, resource in _grown(tables, models).items() if resource["Type"] in {POLICY, ROLE}}


def _resources(assembly: cx_api.CloudAssembly) -> Resources:
    [stack] = assembly.stacks
    resources: Resources = stack.template["Resources"]
    return resources


def _documents(resources: Resources) -> list[str]:
    """
    Return the policy and trust documents, so that two templates with other logical ids can be compared.

    Lists are sorted, a list of one becomes its element, and the hash the CDK appends to an L2's logical id is dropped.
    """
    ids = {id_: re.sub(r"[0-9A-F]{8}$", "", id_) for id_ in resources}
    names = {"PolicyDocument", "AssumeRolePolicyDocument"}
    return sorted(
        json.dumps(_plain(document, ids), sort_keys=True)
        for resource in resources.values()
        if resource["Type"] in {POLICY, ROLE}
        for name, document in resource.get("Properties", {}).items()
        if name in names
    )


def _plain(value: Any, ids: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: part if key == "Fn::Join" else _plain(part, ids) for key, part in value.items()}
    if isinstance(value, list):
        parts = sorted((_plain(part, ids) for part in value), key=lambda part: json.dumps(part, sort_keys=True))
        return parts[0] if len(parts) == 1 else parts
    return ids.get(value, value) if isinstance(value, str) else value


def _made_by() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("aws-cdk-lib", "jsii"))
    return f"Made by `make bench-constructs`: Python {platform.python_version()}, {packages}, {os.cpu_count()} CPUs.\n"


def _met(condition: bool, what: str, failures: list[str]) -> str:
    if not condition:
        failures.append(what)
    return "yes" if condition else "**no**"


def _table(title: str, text: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield f"## {title}\n\n{text}\n"
    for row in (head, ["---"] * len(head), *rows):
        yield "| " + " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row) + " |"
    yield ""


if __name__ == "__main__":
    main()
