"""A revocation that a template promises is PROVED, and every weakening of its Deny is VIOLATED."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import z3

from session_scoping.contract.metadata import REVOKED
from session_scoping.verify import Request, Result, Status, verify
from session_scoping.verify.patterns.text import lit
from session_scoping.verify.policies.conditions import condition_holds
from session_scoping.verify.policies.model import Condition
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import encode_condition
from session_scoping.verify.symbolic.solver import solve
from tests.support import simulator
from tests.support.simulator import Policies, request
from tests.support.verify.corpus import results_of

WHEN = "2026-11-21T10:00:00Z"
Template = dict[str, Any]
Body = dict[str, Any]


@pytest.fixture(scope="module")
def revoked() -> Template:
    """A small stack that revokes by time, by tag, and by both, each in a statement of its own."""
    from session_scoping import Revocation
    from tests.support import stacks

    stack = stacks.stack()
    restrictions = [
        Revocation.issued_before(WHEN),
        Revocation.of_sessions(task_id=["a", "b"]),
        Revocation.of_sessions(user_id="u", task_id="t"),
        Revocation.issued_before("2026-12-01T00:00:00Z", task_id="c"),
    ]
    stacks.session_role(stack, restrictions=restrictions)
    return stacks.template(stack)


def result_of(template: Template) -> Result:
    """Return the one result of the property."""
    (found,) = results_of(template, "revocation")
    return found


def denies(template: Template) -> list[Body]:
    """Return the revocations' statements."""
    return [
        statement
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::IAM::ManagedPolicy"
        for statement in resource["Properties"]["PolicyDocument"]["Statement"]
        if str(statement.get("Sid", "")).startswith("DenyRevoked")
    ]


def changed(template: Template, change: Callable[[Body], object], which: int) -> Template:
    """Return the template with one of the statements changed."""
    copied = copy.deepcopy(template)
    change(denies(copied)[which])
    return copied


def test_what_the_construct_writes_is_proved(revoked: Template) -> None:
    """Every promised revocation holds for all requests, and nothing else is lost by it."""
    report = verify(revoked)
    assert report.proved, [result.detail for result in report.failures()]
    assert any("aws:TokenIssueTime" in text for text in result_of(revoked).assumptions)


@pytest.mark.parametrize(
    ("by_time", "denied", "status"),
    [(True, False, Status.UNKNOWN), (True, True, Status.PROVED), (False, False, Status.PROVED)],
)
def test_narrowing_leaves_a_revocation_by_time_open(by_time: bool, denied: bool, status: Status) -> None:
    """Nobody knows which issue time narrowed credentials carry; a tag reaches them, and so does a Deny."""
    from session_scoping import Revocation
    from tests.support import stacks

    stack = stacks.stack()
    revocation = Revocation.issued_before(WHEN) if by_time else Revocation.of_sessions(task_id="a")
    stacks.session_role(stack, restrictions=[revocation], narrowing=True)
    template = stacks.template(stack)
    if denied:
        guards = template["Resources"][stacks.ref(template, "SessionGuards")]["Properties"]["PolicyDocument"]
        deny = {"Effect": "Deny", "Action": "sts:GetScoped*", "Resource": "*"}
        guards["Statement"].append(deny)
    assert result_of(template).status is status


def test_a_role_without_a_promise_has_no_such_result(compute_template: Template) -> None:
    """The property is asked only where the Metadata revokes something."""
    assert results_of(compute_template, "revocation") == []


def _rename(body: Body, operator: str, key: str, new: str) -> None:
    body["Condition"][operator][new] = body["Condition"][operator].pop(key)


ISSUED, TASK = "aws:TokenIssueTime", "aws:PrincipalTag/task_id"
# Statement 0 revokes by time, 1 by one tag, 2 by two tags, 3 by time and tag.
WEAKENINGS: dict[str, tuple[int, Callable[[Body], object]]] = {
    "one action": (0, lambda s: s.update(Action="dynamodb:GetItem")),
    "one service": (1, lambda s: s.update(Action=["dynamodb:*", "s3:*"])),
    "all but one action": (0, lambda s: (s.pop("Action"), s.update(NotAction="sts:GetCallerIdentity"))),
    "all but one service": (1, lambda s: (s.pop("Action"), s.update(NotAction=["s3:*"]))),
    "all but a service nobody grants": (1, lambda s: (s.pop("Action"), s.update(NotAction=["ec2:*"]))),
    "one resource": (0, lambda s: s.update(Resource="arn:aws:s3:::bucket/*")),
    "an Allow": (1, lambda s: s.update(Effect="Allow", Resource="arn:aws:s3:::bucket/a")),
    "an earlier time": (0, lambda s: s["Condition"].update(DateLessThan={ISSUED: "2026-11-21T09:59:59Z"})),
    "a time in another zone": (0, lambda s: s["Condition"].update(DateLessThan={ISSUED: "2026-11-21T10:00:00+01:00"})),
    "half a second": (0, lambda s: s["Condition"].update(DateLessThan={ISSUED: "2026-11-21T09:59:59.5Z"})),
    "greater for less": (0, lambda s: s.update(Condition={"DateGreaterThan": {ISSUED: WHEN}})),
    "the time of the call": (0, lambda s: _rename(s, "DateLessThan", ISSUED, "aws:CurrentTime")),
    "a key misspelt": (0, lambda s: _rename(s, "DateLessThan", ISSUED, "aws:TokenIssuedTime")),
    "a tag misspelt": (1, lambda s: _rename(s, "StringEquals", TASK, "aws:PrincipalTag/taskid")),
    "the request's tag": (1, lambda s: _rename(s, "StringEquals", TASK, "aws:RequestTag/task_id")),
    "one value of two": (1, lambda s: s["Condition"]["StringEquals"].update({TASK: ["a"]})),
    "another value": (1, lambda s: s["Condition"]["StringEquals"].update({TASK: ["A", "B"]})),
    "a third tag": (2, lambda s: s["Condition"]["StringEquals"].update({"aws:PrincipalTag/repo": "r"})),
    "not equal": (1, lambda s: s.update(Condition={"StringNotEquals": {TASK: ["a", "b"]}})),
    "a condition besides": (1, lambda s: s["Condition"].update({"Bool": {"aws:SecureTransport": "false"}})),
    "only with an issue time": (3, lambda s: s["Condition"].update(DateLessThan={ISSUED: WHEN})),
    "only from one network": (0, lambda s: s["Condition"].update({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}})),
}  # fmt: skip


@pytest.mark.parametrize("name", WEAKENINGS)
def test_a_weakened_deny_is_violated_with_a_request(revoked: Template, name: str) -> None:
    """Each weakening is VIOLATED, and the request that shows it is one `decide` lets through."""
    which, change = WEAKENINGS[name]
    result = result_of(changed(revoked, change, which))
    assert result.status is Status.VIOLATED, result.detail
    assert result.counterexample
    assert result.counterexample.action


def test_a_deny_taken_away_is_violated(revoked: Template) -> None:
    """A promise in the Metadata without its statement is no revocation."""
    for index in range(4):
        bare = copy.deepcopy(revoked)
        victim = denies(bare)[index]
        for resource in bare["Resources"].values():
            if resource["Type"] == "AWS::IAM::ManagedPolicy":
                document = resource["Properties"]["PolicyDocument"]
                document["Statement"] = [s for s in document["Statement"] if s is not victim]
        assert result_of(bare).status is Status.VIOLATED


STRENGTHENINGS: dict[str, Callable[[Body], object]] = {
    "IfExists": lambda s: s.update(Condition={f"{op}IfExists": keys for op, keys in s["Condition"].items()}),
    "no condition": lambda s: s.pop("Condition"),
    "lists": lambda s: s.update(Action=["s3:*", "*"], Resource=["arn:aws:s3:::bucket", "*"]),
}


@pytest.mark.parametrize("name", STRENGTHENINGS)
def test_a_wider_deny_still_revokes(revoked: Template, name: str) -> None:
    """A Deny that fires more often keeps the promise; what else it costs is another property's."""
    for which in range(4):
        assert result_of(changed(revoked, STRENGTHENINGS[name], which)).status is Status.PROVED


def test_the_trust_does_not_stand_in_for_the_deny(revoked: Template) -> None:
    """A revoked tag is refused by the trust, but its sessions may be older: without the Deny it is VIOLATED."""
    weak = changed(revoked, lambda s: s.update(Action="s3:GetObject"), 1)
    assert "StringNotEquals" in str(weak)
    assert result_of(weak).status is Status.VIOLATED


@pytest.mark.parametrize("promise", ["nonsense", {"Ref": "AWS::Region"}, '{"before": "soon"}', "{}", "[]"])
def test_a_promise_that_cannot_be_read_is_unknown(revoked: Template, promise: Any) -> None:
    """Metadata somebody edited by hand proves nothing."""
    odd = copy.deepcopy(revoked)
    for resource in odd["Resources"].values():
        if REVOKED in resource.get("Metadata", {}):
            resource["Metadata"][REVOKED] = [promise]
    assert result_of(odd).status is Status.UNKNOWN


# --- date operators ------------------------------------------------------------------------------------------------

OPERATORS = [
    f"Date{name}{suffix}"
    for name in ("Equals", "NotEquals", "LessThan", "LessThanEquals", "GreaterThan", "GreaterThanEquals")
    for suffix in ("", "IfExists")
]
INSTANTS = ("2026-11-21T09:59:59Z", WHEN, "2026-11-21T10:00:00.5Z", "2026-11-21T11:00:01+01:00", None)
BOUNDS = ([WHEN], ["2026-11-21T12:00:00+02:00"], ["2026-11-21T09:00:00Z", "2026-11-21T11:00:00Z"])


@pytest.mark.parametrize("operator", OPERATORS)
def test_decide_the_prover_and_the_simulator_read_dates_alike(operator: str) -> None:
    """For every operator, bound and request, with the key and without: the same answer three times."""
    for bounds in BOUNDS:
        condition = Condition(operator, ISSUED, tuple(map(lit, bounds)))
        statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {operator: {ISSUED: bounds}}}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        for instant in INSTANTS:
            context = {ISSUED: instant} if instant else {}
            held = condition_holds(condition, Request("s3:GetObject", "x", context).values(), variables=True)
            asked = request("s3:GetObject", "arn:aws:s3:::b/k", context)
            assert (simulator.ask(Policies([policy]), [asked], checked=True) == ["Allowed"]) == held, (bounds, instant)
            assert {_proved(condition, instant, over=over) for over in (True, False)} == {held}, (bounds, instant)


def _proved(condition: Condition, instant: str | None, *, over: bool) -> bool:
    """Whether the formula holds for one request."""
    call = Call("C")
    formula = encode_condition(condition, call, over=over, variables=True)
    there, _ = call.moment(ISSUED.lower())
    if instant is None:
        return solve(formula, z3.Not(there)) is not None
    equal = encode_condition(Condition("DateEquals", ISSUED, (lit(instant),)), call, over=True, variables=True)
    return solve(formula, there, equal) is not None


@pytest.mark.parametrize("text", ["2026", "2026-11-21", "2026-11-21T10:00:00", "soon", "20261121T100000Z"])
def test_no_proof_rests_on_a_date_that_can_be_read_in_two_ways(text: str) -> None:
    """What is a year to one reader and seconds to another may hold or not, whatever the request."""
    formula = encode_condition(Condition("DateLessThan", ISSUED, (lit(text),)), Call("C"), over=False, variables=True)
    assert solve(formula) is not None
    assert solve(z3.Not(formula)) is not None
