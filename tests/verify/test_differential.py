# ruff: noqa: E501 - tables of cases
"""`decide` against an independent simulator, on random policies and requests."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from session_scoping.verify.decision import PolicySet, Request, decide
from session_scoping.verify.documents import statements_of
from tests.verify.simulator import ACCOUNT, Simulator, simulation

EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "150"))
REQUESTS = 24
ROLE = f"arn:aws:iam::{ACCOUNT}:role/session"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/session/one"
TABLE = f"arn:aws:dynamodb:us-east-1:{ACCOUNT}:table/Tasks"
BUCKET = "arn:aws:s3:::traces"

ACTIONS = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:Scan", "s3:GetObject", "s3:PutObject", "DynamoDB:getitem"]
ACTION_PATTERNS = [*ACTIONS, "dynamodb:*", "dynamodb:Get*", "s3:?etObject", "*", "s3:*Object", "dynamodb:get*"]
RESOURCES = [
    TABLE,
    f"{TABLE}/index/by-user",
    f"{TABLE}2",
    f"{BUCKET}/u1/T1/x",
    f"{BUCKET}/u1/T10/x",
    f"{BUCKET}/u2/T1/x",
]
RESOURCE_PATTERNS = [
    *RESOURCES, "*", f"{TABLE}*", f"{TABLE}/*", "arn:aws:dynamodb:*:*:table/Tasks", "arn:aws:s3:::traces/*",
    "arn:aws:s3:::traces/${aws:PrincipalTag/user_id}/*", "arn:aws:s3:::traces/${aws:PrincipalTag/user_id}/T?/*",
    "arn:aws:s3:::traces/${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}/*",
    "arn:aws:s3:::traces/${aws:PrincipalTag/user_id}/${aws:PrincipalTag/task_id}*", "arn:aws:s3:::*/u1/*",
    "arn:aws:s3:::traces/${aws:PrincipalTag/absent}/*", "arn:aws:s3:::traces/u1/T1/${*}",
]  # fmt: skip
VALUES = ["T1", "T2", "u1", "u2", "T*", "?1", "*", "", "t1", "${aws:PrincipalTag/task_id}", "${aws:PrincipalTag/user_id}",
          "${aws:PrincipalTag/task_id}*", "X#${aws:PrincipalTag/task_id}", "?*", "${aws:PrincipalTag/absent}",
          "${aws:PrincipalTag/absent, 'T1'}", "T${*}"]  # fmt: skip
SINGLE_KEYS = ["aws:PrincipalTag/task_id", "aws:principaltag/USER_ID", "aws:PrincipalTag/absent", "aws:RequestedRegion"]
STRING_OPERATORS = ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase",
                    "StringNotEqualsIgnoreCase"]  # fmt: skip
LISTS = [["T1"], ["T2"], ["T1", "T2"], ["X#T1"], ["t1"], ["T1", "T1"], ["u1", "T1"]]


def _one_or_more(values: list[str]) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3))


SINGLE = st.builds(
    lambda op, suffix, key, value: {op + suffix: {key: value}},
    st.sampled_from(STRING_OPERATORS),
    st.sampled_from(["", "IfExists"]),
    st.sampled_from(SINGLE_KEYS),
    _one_or_more(VALUES),
)
MULTI = st.builds(
    lambda prefix, op, suffix, value: {f"{prefix}:{op}{suffix}": {"dynamodb:LeadingKeys": value}},
    st.sampled_from(["ForAllValues", "ForAnyValue"]),
    st.sampled_from(STRING_OPERATORS),
    st.sampled_from(["", "IfExists"]),
    _one_or_more(VALUES),
)
NULL = st.builds(
    lambda key, value: {"Null": {key: value}},
    st.sampled_from([*SINGLE_KEYS, "dynamodb:LeadingKeys"]),
    st.sampled_from(["true", "false"]),
)
OTHER = st.sampled_from(
    [
        {"Bool": {"aws:SecureTransport": "true"}},
        {"BoolIfExists": {"aws:SecureTransport": "false"}},
        {"NumericLessThan": {"s3:max-keys": "10"}},
        {"NumericGreaterThanEquals": {"s3:max-keys": ["5", "50"]}},
        {"NumericNotEquals": {"s3:max-keys": "7"}},
        {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
        {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.1/32"]}},
        {"DateGreaterThan": {"aws:CurrentTime": "2026-01-01T00:00:00Z"}},
        {"DateLessThanEquals": {"aws:CurrentTime": "2025-06-01T00:00:00Z"}},
        {"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/ses*"}},
        {"ArnNotEquals": {"aws:PrincipalArn": ROLE}},
        {"ArnEquals": {"aws:PrincipalArn": ["arn:aws:iam::999999999999:role/x", ROLE]}},
        {"ArnLikeIfExists": {"aws:SourceArn": "arn:aws:ecs:*:111122223333:*"}},
        {"StringLikeIfExists": {"aws:SourceVpce": "vpce-*"}},
    ]
)


def _merge(blocks: list[dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    merged: dict[str, dict[str, Any]] = {}
    for block in blocks:
        for operator, keys in block.items():
            merged.setdefault(operator, {}).update(keys)
    return merged


CONDITION = st.lists(st.one_of(SINGLE, MULTI, NULL, OTHER), max_size=2).map(_merge)


@st.composite
def statement(draw: st.DrawFn, *, principal: bool = False) -> dict[str, Any]:
    """Draw one statement."""
    body: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"]))}
    body[draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))] = draw(_one_or_more(ACTION_PATTERNS))
    body[draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"]))] = draw(
        _one_or_more(RESOURCE_PATTERNS)
    )
    if principal:
        body["Principal"] = draw(st.sampled_from(["*", {"AWS": ROLE}, {"AWS": SESSION}, {"AWS": ACCOUNT},
                                                  {"AWS": f"arn:aws:iam::{ACCOUNT}:role/other"}]))  # fmt: skip
    condition = draw(CONDITION)
    if condition:
        body["Condition"] = condition
    return body


@st.composite
def policy(draw: st.DrawFn, *, principal: bool = False) -> dict[str, Any]:
    """Draw one policy, now and then of the old version."""
    body: dict[str, Any] = {"Statement": draw(st.lists(statement(principal=principal), min_size=1, max_size=4))}
    version = draw(st.sampled_from(["2012-10-17"] * 4 + ["2008-10-17", ""]))
    return {"Version": version, **body} if version else body


@st.composite
def request(draw: st.DrawFn) -> tuple[str, str, dict[str, Any]]:
    """Draw one request."""
    context: dict[str, Any] = {"aws:PrincipalArn": ROLE}
    choices: dict[str, list[Any]] = {
        "aws:PrincipalTag/task_id": ["T1", "T1", "T2", "", None],
        "aws:PrincipalTag/user_id": ["u1", "u1", "u2", None],
        "aws:RequestedRegion": ["us-east-1", None],
        "dynamodb:LeadingKeys": [*LISTS, None],
        "aws:SecureTransport": ["true", "false", None],
        "s3:max-keys": ["7", "9", "60", None],
        "aws:SourceIp": ["10.1.2.3", "192.0.2.1", None],
        "aws:CurrentTime": ["2025-05-01T00:00:00Z", "2026-05-01T00:00:00Z", None],
        "aws:SourceVpce": ["vpce-1", None],
    }
    for key, values in choices.items():
        value = draw(st.sampled_from(values))
        if value is not None:
            context[key] = value
    return draw(st.sampled_from(ACTIONS)), draw(st.sampled_from(RESOURCES)), context


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    """Start the simulator once."""
    running = Simulator()
    yield running
    running.close()


VERDICTS = {"allow": "Allowed", "explicit deny": "ExplicitlyDenied", "implicit deny": "ImplicitlyDenied"}
COUNT: Counter[str] = Counter()

# Where the simulator and the IAM User Guide part, or the guide is silent. The prover relies on neither reading.
DIVERGENCES = {
    "old version": "reference_policies_elements_version: variables need 2012-10-17; the simulator fills them always",
    "negated missing": "reference_policies_variables: a negated operator matches when a variable is missing; the"
    " simulator says it does not",
    "any value if exists": "reference_policies_elements_condition_operators, IfExists: true for a missing key; the"
    " simulator lets ForAnyValue win",
    "empty variable": "reference_policies_variables is silent on an empty value; the simulator takes it for a missing one",
    "notresource missing": "reference_policies_variables: an entry with a missing variable matches nothing, silent on"
    " what follows for NotResource",
}


def explain(policies: list[dict[str, Any]], context: dict[str, Any]) -> str | None:
    """Return the known divergence a policy set and request can run into, or None."""
    present = {key.lower(): value for key, value in context.items()}
    for body in policies:
        for item in body["Statement"]:
            resources = json.dumps([item.get("Resource"), item.get("NotResource")])
            if body.get("Version") != "2012-10-17" and "${" in json.dumps(item):
                return "old version"
            used = [name.lower() for name in re.findall(r"\$\{(aws:[^},]*)\}", json.dumps(item))]
            if any(present.get(name) == "" for name in used):
                return "empty variable"
            missing = [name for name in used if name not in present]
            if missing and "NotResource" in item and "${aws:" in resources:
                return "notresource missing"
            for operator in item.get("Condition", {}):
                if missing and "Not" in operator:
                    return "negated missing"
                if (
                    operator.startswith("ForAnyValue")
                    and "IfExists" in operator
                    and "dynamodb:leadingkeys" not in present
                ):
                    return "any value if exists"
    return None


def valid(action: str, resource: str, context: dict[str, Any]) -> bool:
    """Whether the simulator's checked entry point, which resource policies need, takes the request."""
    on_s3 = action.lower().startswith("s3:")
    if on_s3 != resource.startswith("arn:aws:s3") or "s3:max-keys" in context:
        return False
    if "index" in resource and action.lower().endswith("getitem"):
        return False
    return "dynamodb:LeadingKeys" not in context or not (on_s3 or action.endswith("Scan"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    identity=st.lists(policy(), min_size=1, max_size=2),
    boundary=st.one_of(st.none(), st.none(), policy()),
    resource_policy=st.one_of(st.none(), st.none(), policy(principal=True)),
    requests=st.lists(request(), min_size=REQUESTS, max_size=REQUESTS),
)
def test_decide_agrees_with_the_simulator(
    simulator: Simulator,
    identity: list[dict[str, Any]],
    boundary: dict[str, Any] | None,
    resource_policy: dict[str, Any] | None,
    requests: list[tuple[str, str, dict[str, Any]]],
) -> None:
    """`decide` gives the independent simulator's verdict on every random policy set and request."""
    policies = PolicySet(
        identity=tuple(s for i, body in enumerate(identity) for s in statements_of(body, f"p{i}")),
        boundary=None if boundary is None else statements_of(boundary, "b"),
        resource=() if resource_policy is None else statements_of(resource_policy, "r"),
    )
    if resource_policy is not None:
        requests = [item for item in requests if valid(*item)]
    questions = [
        simulation(action, resource, context, identity, boundary=boundary, resource_policy=resource_policy)
        for action, resource, context in requests
    ]
    everything = [*identity, *([boundary] if boundary else []), *([resource_policy] if resource_policy else [])]
    for (action, resource, context), verdict in zip(requests, simulator.ask(questions), strict=True):
        ours = decide(Request(action, resource, context, principal=ROLE, session_name="one"), policies)
        COUNT["compared"] += 1
        COUNT[ours.reason] += 1
        if VERDICTS[ours.reason] != verdict:
            divergence = explain(everything, context)
            assert divergence in DIVERGENCES, (action, resource, context, str(ours), verdict)
            COUNT["explained"] += 1


def test_the_differential_run_compared_thousands() -> None:
    """Thousands of decisions were compared, of every kind, and few met a known divergence."""
    assert COUNT["compared"] >= EXAMPLES * REQUESTS // 3
    assert min(COUNT["allow"], COUNT["explicit deny"], COUNT["implicit deny"]) >= COUNT["compared"] // 100
    assert COUNT["explained"] <= COUNT["compared"] // 20
