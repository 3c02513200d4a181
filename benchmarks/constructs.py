"""Sizes, capacity, logical ids and kernel calls of the constructs: the same on every machine, and held to targets."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import cx_api

from app import STACK_NAME, ReferenceStack
from benchmarks.processes import APPS, VERSIONS, Resources, differences, resources, start
from benchmarks.report import Table, met
from benchmarks.shared import Platform, new_app
from benchmarks.with_constructs import build
from reference.data import MODELS
from session_scoping import QuotaExceededError, TenantTable
from session_scoping.constructs.cdk.policy_series import ATTACHED_POLICIES_LEFT_FREE, ATTACHED_POLICIES_MAX
from session_scoping.constructs.cdk.policy_sizes import MANAGED_POLICY_MAX, TRUST_POLICY_MAX, PolicySizer

DOCUMENT_TARGET = 5473  # what the reference system's weaker session policy takes
MODELS_TARGET, TABLES_TARGET = 100, 80
SHORT_TARGET = 6600  # Guards and Permissions of the session role together, with short names
CALLS_TARGET = 1.05
GROWTH = (1, 10, 40)
NAME_LENGTH = 60
USABLE = ATTACHED_POLICIES_MAX - ATTACHED_POLICIES_LEFT_FREE
POLICY, ROLE = "AWS::IAM::ManagedPolicy", "AWS::IAM::Role"
ACCESS = (("get", "put", "update"), "append-only", ("get", "put", "update", "condition-check"), ("query", "update"))

Reports = dict[str, dict[str, Any]]

# Every intrinsic as a short name: a resource is called what its logical id is.
SHORT = {"AWS::Partition": "aws", "AWS::Region": "us-east-1", "AWS::AccountId": "123456789012"}
SHORT_ARNS = {
    "AWS::DynamoDB::Table": "arn:aws:dynamodb:us-east-1:123456789012:table/",
    "AWS::S3::Bucket": "arn:aws:s3:::",
    ROLE: "arn:aws:iam::123456789012:role/",
}


def tables() -> Iterator[Table]:
    """Compute everything that no machine changes."""
    yield sizes()
    yield most()
    yield grown()
    yield from processes()


def sizes() -> Table:
    """Measure every document of the reference stack as it is rendered."""
    known = cdk.Environment(account="123456789012", region="us-east-1")
    agnostic = _synthesized(lambda app: ReferenceStack(app, STACK_NAME))
    concrete = _synthesized(lambda app: ReferenceStack(app, STACK_NAME, env=known))
    types = {id_: resource["Type"] for id_, resource in agnostic.items()}
    sizer = PolicySizer(STACK_NAME, buckets={id_ for id_, type_ in types.items() if type_ == "AWS::S3::Bucket"})
    rows, missed = [], []
    totals: Counter[str] = Counter()
    for id_, document in _documents(agnostic).items():
        name, trust = id_[:-8], types[id_] == ROLE
        target, quota = (TRUST_POLICY_MAX,) * 2 if trust else (DOCUMENT_TARGET, MANAGED_POLICY_MAX)
        lengths = [sizer.document(document), sizer.document(_documents(concrete)[id_])]
        if re.fullmatch(r"SessionRole(Guards|Permissions)\d*", name):
            lengths.append(len(json.dumps(short(document, types), separators=(",", ":"))))
            totals.update(dict(zip(("agnostic", "concrete", "short"), lengths, strict=True)))
        if not (fits := max(lengths) < target):
            missed.append(f"{name} is larger than {target}")
        what = f"{'trust' if trust else 'policy'} `{name}`"
        rows.append((what, *lengths, *[""] * (3 - len(lengths)), f"< {target:,}", quota, met(fits)))
    small = totals["short"] <= SHORT_TARGET
    if not small:
        missed.append(f"the session role's documents are larger than {SHORT_TARGET}")
    together = "Guards and Permissions of `SessionRole`"
    rows.append((together, *totals.values(), f"short <= {SHORT_TARGET:,}", "", met(small)))
    return Table(
        "sizes", ("document", "env-agnostic", "us-east-1", "short names", "target", "quota", "met"), rows, missed
    )


def short(value: Any, types: dict[str, str]) -> Any:
    """Resolve every intrinsic to a short name."""
    match value:
        case {"Ref": str(name)}:
            return SHORT.get(name, name)
        case {"Fn::GetAtt": [str(name), "Arn"]}:
            return SHORT_ARNS[types[name]] + name
        case {"Fn::Join": [str(delimiter), [*parts]]}:
            return delimiter.join(short(part, types) for part in parts)
        case dict():
            return {key: short(part, types) for key, part in value.items()}
        case list():
            return [short(part, types) for part in value]
    return value


def most() -> Table:
    """Find the largest numbers that fit."""
    searches: tuple[tuple[str, int, Callable[[int], bool]], ...] = (
        ("models with 4 tables", MODELS_TARGET, lambda count: attachments(4, count) is not None),
        ("tables with 5 models", TABLES_TARGET, lambda count: attachments(count, 5) is not None),
        ("tables and as many models", 0, lambda count: attachments(count, count) is not None),
    )
    found = [(what, largest(fits), target) for what, target, fits in searches]
    rows = [
        (what, count, f">= {target}" if target else "none", met(count >= target) if target else "")
        for what, count, target in found
    ]
    missed = [f"only {count} {what}" for what, count, target in found if count < target]
    return Table("most", ("what", "largest", "target", "met"), rows, missed)


def grown() -> Table:
    """Count the managed policies of each role as tables and models grow in number, and check that no id changes."""
    smallest, rows, missed = _documents(_grown(4, 5)).keys(), [], []
    for size in ((4, 5), (5, 5), (4, 6), (TABLES_TARGET, 5), (4, MODELS_TARGET)):
        ids = _documents(_grown(*size)).keys()
        if gone := len(smallest - ids):
            missed.append(f"with {size[0]} tables and {size[1]} models {gone} logical ids change")
        rows.append((*size, *(attachments(*size) or {}).values(), len(ids), gone, 0, met(not gone)))
    policies = ("policies of the session role", "of the AgentCore role", "of the ECS role")
    return Table("grown", ("tables", "models", *policies, "ids", "renamed or gone", "target", "met"), rows, missed)


def processes() -> Iterator[Table]:
    """Count the kernel calls and the CDK modules of whole processes, and check that all versions write the same."""
    reports, missed = {}, []
    with TemporaryDirectory() as folder:
        for app in APPS:
            folders = {version: Path(folder, app, version) for version in VERSIONS}
            reports[app] = {version: start(version, app, 1, path).report for version, path in folders.items()}
            missed += differences({version: resources(path) for version, path in folders.items()})
        larger = {count: start("constructs", "reference", count, Path(folder, str(count))).report for count in GROWTH}
    yield calls(reports, missed)
    yield modules(reports)
    yield growth({count: _calls(report) for count, report in larger.items()})


def calls(reports: dict[str, Reports], missed: list[str]) -> Table:
    """Compare the kernel calls."""
    rows = []
    for app, made in reports.items():
        by_hand = _calls(made["by hand on L2"])
        for version, report in made.items():
            ratio = _calls(report) / by_hand
            held = (app, version) == ("reference", "constructs")
            verdict = (f"<= {CALLS_TARGET}", met(ratio <= CALLS_TARGET)) if held else ("", "")
            rows.append((app, version, *report["calls"].values(), _calls(report), f"{ratio:.3f}", *verdict))
            if held and ratio > CALLS_TARGET:
                missed.append(f"{app} app: {ratio:.3f} times the kernel calls of L2, more than {CALLS_TARGET}")
    head = ("app", "version", "calls to build", "calls in synth", "calls", "of L2", "target", "met")
    return Table("calls", head, rows, missed)


def modules(reports: dict[str, Reports]) -> Table:
    """Compare the CDK modules that are loaded."""
    rows, missed = [], []
    for app, made in reports.items():
        ours, by_hand = (made[version]["cdk_modules"] for version in ("constructs", "by hand on L2"))
        further = [name for name in ours if name not in by_hand]
        if further:
            missed.append(f"{app} app: the constructs load {len(further)} further CDK modules: {', '.join(further)}")
        names = ", ".join(f"`{name}`" for name in further)
        rows.append((app, len(ours), len(by_hand), len(further), 0, met(not further), names))
    return Table("modules", ("app", "constructs", "by hand", "further", "target", "met", "which"), rows, missed)


def growth(made: dict[int, int]) -> Table:
    """Compare the calls for each session role in smaller and larger apps."""
    _, some, many = (total / count for count, total in made.items())
    verdicts = (("", ""), ("", ""), (f"<= {some:.1f}", met(many <= some)))
    rows = [
        (count, total, f"{total / count:.1f}", *verdict)
        for (count, total), verdict in zip(made.items(), verdicts, strict=True)
    ]
    missed = ["the calls for each session role grow with their number"] if many > some else []
    return Table("growth", ("session roles", "calls", "calls for each", "target", "met"), rows, missed)


def _calls(report: dict[str, Any]) -> int:
    return sum(report["calls"].values())


@cache
def attachments(table_count: int, models: int) -> Counter[str] | None:
    """Return how many managed policies each role gets; nothing where a role would have too many."""
    try:
        made = _grown(table_count, models)
    except QuotaExceededError:
        return None
    counts: Counter[str] = Counter(SessionRole=0, AgentCoreExecutionRole=0, EcsTaskRole=0)
    for resource in made.values():
        if resource["Type"] == POLICY:
            counts.update(role["Ref"][:-8] for role in resource["Properties"]["Roles"])
    return counts if max(counts.values()) <= USABLE else None


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
def _grown(table_count: int, models: int) -> Resources:
    def make(app: cdk.App) -> None:
        stack = Platform(app, "Reference")
        kept = [
            TenantTable(_named_table(stack, number), access=ACCESS[number % len(ACCESS)])
            for number in range(table_count)
        ]
        build(stack, kept, [_model(number) for number in range(models)])

    return _synthesized(make)


def _synthesized(make: Callable[[cdk.App], object]) -> Resources:
    with TemporaryDirectory() as folder:
        app = new_app(folder)
        warning = cdk.Acknowledgment(id="Annotation::session-scoping:compute-roles-mint", reason="A table is printed")
        cdk.Validations.of(app).acknowledge(warning)
        make(app)
        assembly: cx_api.CloudAssembly = app.synth()
        found: Resources = assembly.stacks[0].template["Resources"]
        return found


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


def _documents(made: Resources) -> dict[str, Any]:
    """Return the document of every role and managed policy, by logical id."""
    names = {POLICY: "PolicyDocument", ROLE: "AssumeRolePolicyDocument"}
    return {
        id_: resource["Properties"][names[resource["Type"]]]
        for id_, resource in made.items()
        if resource["Type"] in names
    }
