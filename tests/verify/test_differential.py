# ruff: noqa: E501 - tables of cases
"""`decide` against an independent simulator, on random policies and requests."""

import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from session_scoping.verify import PolicySet, Request, decide, statements_of
from tests.support import simulator
from tests.support.simulator import ACCOUNT, SESSION, Policies, Policy
from tests.support.simulator import request as asked
from tests.support.verify import readings
from tests.support.verify.random_trust import ROLE, STRING_OPERATORS, merge, mint, one_or_more, trust_policy
from tests.support.verify.readings import Context, as_the_simulator_reads

EXAMPLES = int(os.environ.get("DIFFERENTIAL_EXAMPLES", "150"))
REQUESTS = 24
# A failure names its policies and request; to shrink it would take minutes.
RUN = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
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
LISTS = [["T1"], ["T2"], ["T1", "T2"], ["X#T1"], ["t1"], ["T1", "T1"], ["u1", "T1"]]


SINGLE = st.builds(
    lambda op, suffix, key, value: {op + suffix: {key: value}},
    st.sampled_from(STRING_OPERATORS),
    st.sampled_from(["", "IfExists"]),
    st.sampled_from(SINGLE_KEYS),
    one_or_more(VALUES),
)
MULTI = st.builds(
    lambda prefix, op, suffix, value: {f"{prefix}:{op}{suffix}": {"dynamodb:LeadingKeys": value}},
    st.sampled_from(["ForAllValues", "ForAnyValue"]),
    st.sampled_from(STRING_OPERATORS),
    st.sampled_from(["", "IfExists"]),
    one_or_more(VALUES),
)
NULL = st.builds(
    lambda key, value: {"Null": {key: value}},
    st.sampled_from([*SINGLE_KEYS, "dynamodb:LeadingKeys"]),
    st.sampled_from(["true", "false"]),
)


def _typed(operators: list[str], key: str, values: list[str], sets: bool = True) -> st.SearchStrategy[dict[str, Any]]:
    """Draw one key of an operator that belongs to its type, with and without IfExists and set operators."""
    prefixes = ["", "", "", "ForAllValues:", "ForAnyValue:"] if sets else [""]
    return st.builds(
        lambda prefix, op, suffix, value: {f"{prefix}{op}{suffix}": {key: value}},
        st.sampled_from(prefixes),
        st.sampled_from(operators),
        st.sampled_from(["", "IfExists"]),
        one_or_more(values),
    )


_ORDER = ["Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals"]
_ARN_OPERATORS = ["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"]
OTHER = st.one_of(
    _typed(["Bool"], "aws:SecureTransport", ["true", "false", "True"]),
    _typed([f"Numeric{name}" for name in _ORDER], "s3:max-keys", ["7", "9", "10", "60"]),
    _typed([f"Date{name}" for name in _ORDER], "aws:CurrentTime", ["2025-05-01T00:00:00Z", "2026-01-01T00:00:00Z"]),
    _typed(["IpAddress", "NotIpAddress"], "aws:SourceIp", ["10.0.0.0/8", "192.0.2.1/32", "10.1.2.3", "2001:db8::/32"]),
    _typed(_ARN_OPERATORS, "aws:PrincipalArn", ["arn:aws:iam::*:role/ses*", ROLE, "arn:aws:iam::999999999999:role/x",
                                                "arn:aws:iam::*:role/${aws:PrincipalTag/task_id}"]),
    _typed(_ARN_OPERATORS, "aws:SourceArn", ["arn:aws:ecs:*:111122223333:*", "arn:aws:s3:::*"]),
    _typed(["StringLike", "StringNotLike"], "aws:SourceVpce", ["vpce-*", "vpce-2"]),
)  # fmt: skip


CONDITION = st.lists(st.one_of(SINGLE, MULTI, NULL, OTHER), max_size=2).map(merge)


@st.composite
def statement(draw: st.DrawFn, *, principal: bool = False) -> dict[str, Any]:
    """Draw one statement."""
    body: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"]))}
    body[draw(st.sampled_from(["Action", "Action", "Action", "NotAction"]))] = draw(one_or_more(ACTION_PATTERNS))
    body[draw(st.sampled_from(["Resource", "Resource", "Resource", "NotResource"]))] = draw(
        one_or_more(RESOURCE_PATTERNS)
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


VERDICTS = {"allow": "Allowed", "explicit deny": "ExplicitlyDenied", "implicit deny": "ImplicitlyDenied"}
COUNT: Counter[str] = Counter()


@RUN
@given(
    identity=st.lists(policy(), min_size=1, max_size=2),
    boundary=st.one_of(st.none(), st.none(), policy()),
    resource_policy=st.one_of(st.none(), st.none(), policy(principal=True)),
    requests=st.lists(request(), min_size=REQUESTS, max_size=REQUESTS),
)
def identity_agrees(
    identity: list[dict[str, Any]],
    boundary: dict[str, Any] | None,
    resource_policy: dict[str, Any] | None,
    requests: list[tuple[str, str, dict[str, Any]]],
) -> None:
    """`decide` gives the independent simulator's verdict on every request, once both read the policies alike."""
    everything = Policies(identity, boundary, resource_policy)
    questions = [asked(action, resource, context) for action, resource, context in requests]
    verdicts = simulator.ask(everything, questions, checked=False)
    for (action, resource, context), verdict in zip(requests, verdicts, strict=True):
        call = Request(action, resource, context, principal=ROLE, session_name="one")
        documented = decide(call, policy_set(everything, context, as_documented))
        ours = decide(call, policy_set(everything, context, as_the_simulator_reads))
        assert VERDICTS[ours.reason] == verdict, (everything, call, str(ours))
        COUNT["compared"] += 1
        COUNT[documented.reason] += 1
        COUNT["read differently"] += VERDICTS[documented.reason] != verdict


Read = Callable[[Policy, Context], Policy]


def as_documented(policy: Policy, _: Context) -> Policy:
    """Return the policy as it is."""
    return policy


def policy_set(policies: Policies, context: Context, read: Read, *, trust: bool = False) -> PolicySet:
    """Return policies in a reading, in the form `decide` takes them."""
    return PolicySet(
        identity=tuple(
            s for i, body in enumerate(policies.identity) for s in statements_of(read(body, context), f"p{i}")
        ),
        boundary=None if policies.boundary is None else statements_of(read(policies.boundary, context), "b"),
        resource=() if policies.resource is None else statements_of(read(policies.resource, context), "r"),
        resource_must_allow=trust,
    )


TARGET = f"arn:aws:iam::{ACCOUNT}:role/target"
_STS = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:*", "Resource": "*"}]}


@RUN
@given(trust=trust_policy(), may=st.booleans(), mints=st.lists(mint(), min_size=REQUESTS // 2, max_size=REQUESTS // 2))
def trust_agrees(trust: Policy, may: bool, mints: list[tuple[str, dict[str, Any]]]) -> None:
    """Whom a trust policy lets make a session, with which tags, is the simulator's answer as well."""
    everything = Policies([_STS] if may else [], None, trust)
    verdicts = simulator.ask(everything, [asked(action, TARGET, context) for action, context in mints], checked=False)
    for (action, context), verdict in zip(mints, verdicts, strict=True):
        call = Request(action, TARGET, context, principal=ROLE, session_name="one")
        ours = decide(call, policy_set(everything, context, as_the_simulator_reads, trust=True))
        assert VERDICTS[ours.reason] == verdict, (everything, call, str(ours))
        COUNT["trust compared"] += 1
        COUNT[f"trust {ours.reason}"] += 1


def test_decide_agrees_with_the_simulator_thousands_of_times() -> None:
    """Random identity, boundary, resource and trust policies: the same verdict every time, of every kind of verdict."""
    COUNT.clear()
    identity_agrees()
    trust_agrees()
    assert COUNT["compared"] == COUNT["allow"] + COUNT["explicit deny"] + COUNT["implicit deny"] >= EXAMPLES * REQUESTS
    assert COUNT["trust compared"] >= EXAMPLES * REQUESTS // 2
    for prefix, total in (("", COUNT["compared"]), ("trust ", COUNT["trust compared"])):
        assert min(COUNT[prefix + reason] for reason in VERDICTS) >= total // 100


ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
NOWHERE = {"NotResource": f"{BUCKET}/x/${{aws:PrincipalTag/absent}}/y"}
MISSING = {"dynamodb:LeadingKeys": "${aws:PrincipalTag/absent}"}


@pytest.mark.parametrize(
    ("reading", "policy", "context", "documented", "simulated"),
    [
        (readings.old_version, {"Statement": [{**ALLOW, "Resource": f"{BUCKET}/${{aws:PrincipalTag/user_id}}/*"}]},
         {"aws:PrincipalTag/user_id": "u1"}, False, True),
        (readings.empty_variable, {"Version": "2012-10-17", "Statement": [{**ALLOW, "Resource": f"{BUCKET}/u1${{aws:PrincipalTag/e}}/*"}]},
         {"aws:PrincipalTag/e": ""}, True, False),
        (readings.negated_missing, {"Version": "2012-10-17", "Statement": [{**ALLOW, "Condition": {"ForAllValues:StringNotEquals": MISSING}}]},
         {"dynamodb:LeadingKeys": ["T1"]}, True, False),
        (readings.any_value_if_exists, {"Version": "2012-10-17", "Statement": [{**ALLOW, "Condition": {"ForAnyValue:StringEqualsIfExists": {"dynamodb:LeadingKeys": "x"}}}]},
         {}, True, False),
        (readings.missing_in_not_resource, {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", **NOWHERE}]},
         {}, True, False),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)  # fmt: skip
def test_each_reading_of_the_simulator_is_real(
    reading: Read, policy: Policy, context: dict[str, Any], documented: bool, simulated: bool
) -> None:
    """Where the simulator parts from AWS's words, each reading alone turns one verdict into the other."""
    resource = f"{BUCKET}/u1/T1/x"
    everything = Policies([policy])
    (verdict,) = simulator.ask(everything, [asked("s3:GetObject", resource, context)], checked=False)
    call = Request("s3:GetObject", resource, context, principal=ROLE, session_name="one")
    assert decide(call, policy_set(everything, context, as_documented)).allowed is documented
    assert decide(call, policy_set(everything, context, reading)).allowed is simulated
    assert (verdict == "Allowed") is simulated


def test_every_reading_has_its_example() -> None:
    """No reading is applied to the random policies that is not shown and documented on its own."""
    shown = {
        mark.args[1][i][0]
        for mark in test_each_reading_of_the_simulator_is_real.pytestmark
        for i in range(len(mark.args[1]))
    }
    assert shown == set(readings.READINGS)
    assert all("Source: IAM" in (reading.__doc__ or "") for reading in readings.READINGS)
