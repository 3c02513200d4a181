"""A revoked session is denied everything, a new session of a revoked tag is not admitted, and others go on."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import aws_cdk as cdk
import pytest
from cdk_nag import AwsSolutionsChecks

from app import STACK_NAME, ReferenceStack
from session_scoping import InvalidInputError, QuotaExceededError, Revocation, SessionTags
from session_scoping.contract.revocations import from_statement, from_text, revoked_sessions
from tests.support import RECOMMENDED_FLAGS, stacks
from tests.support.matrix import TAGS, Case
from tests.support.matrix.minting import mint_cases
from tests.support.matrix.session import moved, session_cases
from tests.support.reference import synthesize_reference
from tests.support.simulator import Verdict, decide
from tests.support.world import World
from tests.synth.test_nag import findings

WHEN = "2026-11-21T10:00:00Z"
OLD = {"aws:TokenIssueTime": "2026-11-21T09:59:59Z"}
NEW = {"aws:TokenIssueTime": "2026-11-21T10:00:00Z"}


def _guard(*restrictions: Revocation) -> list[dict[str, Any]]:
    """Return the statements a small session role gets from its revocations."""
    stack = stacks.stack()
    stacks.session_role(stack, restrictions=restrictions)
    found = stacks.policy(stacks.template(stack), "SessionGuards")
    return [statement for statement in found if statement["Sid"].startswith("DenyRevoked")]


def _without_sid(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in statement.items() if key != "Sid"} for statement in statements]


# --- what is synthesized --------------------------------------------------------------------------------------------


def test_a_time_becomes_a_deny_of_everything_issued_before_it() -> None:
    """The statement is AWS's own for older sessions: everything, on everything, by the token's issue time."""
    assert _without_sid(_guard(Revocation.issued_before(WHEN))) == [
        {
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {"DateLessThan": {"aws:TokenIssueTime": WHEN}},
        }
    ]


def test_tags_are_demanded_together() -> None:
    """Two tags in one revocation mean sessions that carry both; several values of a tag mean any of them."""
    revocation = Revocation.of_sessions(user_id="u1", task_id=["T2", "T1", "T1"])
    assert _without_sid(_guard(revocation)) == [
        {
            "Effect": "Deny",
            "Action": "*",
            "Resource": "*",
            "Condition": {
                "StringEquals": {"aws:PrincipalTag/task_id": ["T1", "T2"], "aws:PrincipalTag/user_id": ["u1"]}
            },
        }
    ]


def test_a_time_and_a_tag_spare_the_fresh_sessions_of_the_task() -> None:
    """With a time, a tag's revocation spares sessions minted since, so that the trust stays open to them."""
    revocation = Revocation.issued_before(WHEN, task_id="T1")
    assert _without_sid(_guard(revocation))[0]["Condition"] == {
        "StringEquals": {"aws:PrincipalTag/task_id": ["T1"]},
        "DateLessThan": {"aws:TokenIssueTime": WHEN},
    }
    assert revocation.trust_conditions(None) == {}  # type: ignore[arg-type]


def test_the_trust_refuses_every_revoked_value_of_a_key_in_one_condition() -> None:
    """Two revocations of one key, and one of another key, stand together in the one trust statement."""
    stack = stacks.stack()
    restrictions = [
        Revocation.of_sessions(**tags) for tags in ({"task_id": "a"}, {"task_id": ["b", "a"]}, {"user_id": "u"})
    ]
    stacks.session_role(stack, restrictions=restrictions)
    (statement,) = stacks.trust(stacks.template(stack), "SessionRole")
    refused = {"aws:RequestTag/task_id": ["a", "b"], "aws:RequestTag/user_id": ["u"]}
    assert statement["Condition"]["StringNotEquals"] == refused
    assert statement["Condition"]["StringNotLike"].keys() == {"aws:RequestTag/user_id", "aws:RequestTag/task_id"}


def test_two_tags_in_one_revocation_leave_the_trust_as_it_is() -> None:
    """ANDed in the trust they would refuse every session with either tag: the Deny alone carries."""
    stack = stacks.stack()
    stacks.session_role(stack, restrictions=[Revocation.of_sessions(user_id="u", task_id="T")])
    (statement,) = stacks.trust(stacks.template(stack), "SessionRole")
    assert "StringNotEquals" not in statement["Condition"]


def test_every_revocation_is_in_the_metadata() -> None:
    """Metadata holds each revocation, and reads back as the same one."""
    revocations = [Revocation.issued_before(WHEN), Revocation.of_sessions(task_id="T1")]
    stack = stacks.stack()
    role = stacks.session_role(stack, restrictions=revocations).role
    template = stacks.template(stack)
    (written,) = (
        resource["Metadata"]["session-scoping:revoked"]
        for resource in template["Resources"].values()
        if "session-scoping:revoked" in resource.get("Metadata", {})
    )
    assert role.node.path
    assert [from_text(text) for text in written] == [revocation.sessions for revocation in revocations]


def test_without_the_context_the_reference_stack_is_the_same(compute_template: dict[str, Any]) -> None:
    """The switches are off by default and leave no trace."""
    assert "revoked" not in json.dumps(compute_template).lower()
    assert synthesize_reference(revokedBefore="", revokedTasks="") == compute_template


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (WHEN, "2026-11-21T11:00:00+01:00"),
        (WHEN, datetime(2026, 11, 21, 10, tzinfo=UTC)),
        (WHEN, datetime(2026, 11, 21, 5, tzinfo=timezone(timedelta(hours=-5)))),
        (WHEN, "2026-11-21T09:59:59.000001Z"),
    ],
)
def test_one_instant_has_one_spelling(one: str, other: Any) -> None:
    """Zones become UTC, and a part of a second counts as a whole one, so that no session of it slips through."""
    assert Revocation.issued_before(one) == Revocation.issued_before(other)


def test_statements_are_named_by_their_content() -> None:
    """The same revocation has the same name, a different one another, and the name quotes no value."""
    names = [
        revoked_sessions(WHEN).sid,
        revoked_sessions(None, {"task_id": "secret-tenant"}).sid,
        revoked_sessions(None, {"task_id": "b"}).sid,
        revoked_sessions(WHEN, {"task_id": "b"}).sid,
        revoked_sessions(None, {"user_id": "b"}).sid,
    ]
    assert len(set(names)) == len(names)
    assert names[1] == revoked_sessions(None, {"task_id": ["secret-tenant"]}).sid
    assert all(name.isalnum() and "secret" not in name for name in names)


def test_a_statement_reads_back_as_its_revocation_and_a_changed_one_does_not() -> None:
    """What the command finds in IAM is taken for a revocation only when it is exactly one."""
    revoked = revoked_sessions(WHEN, {"task_id": "T1"})
    assert from_statement(revoked.statement()) == revoked
    changes: list[dict[str, Any]] = [{"Action": ["s3:*"]}, {"Sid": "Other"}, {"Condition": {}}, {"Effect": "Allow"}]
    for change in changes:
        assert from_statement({**revoked.statement(), **change}) is None


# --- what it decides, in the independent simulator ------------------------------------------------------------------


@pytest.fixture(scope="module")
def revoked_world() -> World:
    """The reference stack with a time and two tasks revoked."""
    return World(synthesize_reference(revokedBefore=WHEN, revokedTasks="T1,T9"))


@pytest.fixture(scope="module")
def aged_world() -> World:
    """The reference stack with a time revoked only."""
    return World(synthesize_reference(revokedBefore=WHEN))


def _needs(world: World) -> list[Case]:
    """Return what a session is there to do."""
    return [case for case in session_cases(world) if case.allowed]


def _verdicts(world: World, cases: list[Case], variant: str) -> list[Verdict]:
    return decide(case.question(world, variant) for case in cases)


def _aged(cases: list[Case], issued: dict[str, str]) -> list[Case]:
    return [replace(case, context={**case.context, **issued}) for case in cases]


@pytest.mark.parametrize("variant", ["deployed", "broad allow"])
def test_a_session_issued_before_the_time_is_denied_all_it_needs(aged_world: World, variant: str) -> None:
    """Every request of an older session is denied, under a colleague's broad Allow as well."""
    verdicts = _verdicts(aged_world, _aged(_needs(aged_world), OLD), variant)
    assert {verdict.outcome for verdict in verdicts} == {"ExplicitlyDenied"}


def test_a_session_issued_at_the_time_or_later_goes_on(aged_world: World) -> None:
    """A session minted from the instant on is allowed everything it needs."""
    cases = _needs(aged_world)
    for issued in (NEW, {"aws:TokenIssueTime": "2026-11-21T10:00:00.500Z"}):
        assert all(verdict.allowed for verdict in _verdicts(aged_world, _aged(cases, issued), "deployed"))


def test_a_request_without_an_issue_time_is_not_denied(aged_world: World) -> None:
    """Only long-lived keys leave the key out, and a role has none: this is what the Deny does not cover, by design."""
    assert all(verdict.allowed for verdict in _verdicts(aged_world, _needs(aged_world), "deployed"))


@pytest.mark.parametrize("variant", ["deployed", "broad allow"])
def test_a_revoked_task_is_denied_all_it_needs_however_new_its_session(revoked_world: World, variant: str) -> None:
    """Minting anew does not help a revoked task, even if the trust let it."""
    cases = _aged(_needs(revoked_world), NEW)
    assert len(cases) > 30
    verdicts = _verdicts(revoked_world, cases, variant)
    assert {verdict.outcome for verdict in verdicts} == {"ExplicitlyDenied"}


@pytest.mark.parametrize("task", ["T2", "T10", "t1", "T"])
def test_another_task_goes_on(revoked_world: World, task: str) -> None:
    """A task with another id, however alike, keeps everything it needs."""
    tags = {**TAGS, "task_id": task}
    own = [replace(moved(case, "task_id", task), tags=tags) for case in _needs(revoked_world)]
    cases = _aged(own, NEW)
    assert all(verdict.allowed for verdict in _verdicts(revoked_world, cases, "deployed"))


def test_two_tags_revoke_only_sessions_with_both() -> None:
    """A task's revocation for one user leaves the same task id of another user alone."""
    stack = stacks.stack()
    stacks.session_role(stack, restrictions=[Revocation.of_sessions(user_id="u1", task_id="T1")])
    world = World(stacks.template(stack))
    role, table = world.role("SessionRole"), world.arn("Tasks", "AWS::DynamoDB::Table")
    keys = {"dynamodb:LeadingKeys": ["T1"]}
    both = Case("own row", "SessionRole", "dynamodb:GetItem", table, False, keys)
    other = replace(both, tags={**TAGS, "user_id": "u2"})
    assert role.policies
    verdicts = _verdicts(world, [both, other], "deployed")
    assert [verdict.outcome for verdict in verdicts] == ["ExplicitlyDenied", "Allowed"]


def _mints(world: World) -> Iterator[Case]:
    return (case for case in mint_cases(world, "EcsTaskRole", allowed=True) if case.allowed)


def test_the_trust_admits_no_new_session_of_a_revoked_task(revoked_world: World, aged_world: World) -> None:
    """Minting a revoked task is refused, minting another task or without a revoked tag is not."""
    own = [case for case in _mints(revoked_world) if case.context["aws:RequestTag/task_id"] == "T1"]
    other = [case for case in _mints(revoked_world) if case.context["aws:RequestTag/task_id"] == "T1.2"]
    assert own
    assert other
    assert not any(verdict.allowed for verdict in _verdicts(revoked_world, own, "deployed"))
    assert all(verdict.allowed for verdict in _verdicts(revoked_world, other, "deployed"))
    assert all(verdict.allowed for verdict in _verdicts(aged_world, list(_mints(aged_world)), "deployed"))


# --- what is refused ------------------------------------------------------------------------------------------------

Make = Callable[[], object]
_BAD: dict[str, tuple[Make, str]] = {
    "a naive time": (lambda: Revocation.issued_before(datetime(2026, 11, 21)), "without a time zone"),  # noqa: DTZ001
    "a naive text": (lambda: Revocation.issued_before("2026-11-21T10:00:00"), "time zone"),
    "a date": (lambda: Revocation.issued_before("2026-11-21"), "time zone"),
    "a date that is none": (lambda: Revocation.issued_before("2026-13-41T10:00:00Z"), "no date"),
    "seconds": (lambda: Revocation.issued_before(1764000000), "a int"),  # type: ignore[arg-type]
    "no tag": (Revocation.of_sessions, "names no session"),
    "an empty value": (lambda: Revocation.of_sessions(task_id=""), "0 characters"),
    "no value": (lambda: Revocation.of_sessions(task_id=[]), "no value"),
    "a wildcard": (lambda: Revocation.of_sessions(task_id="T*"), "wildcards revoke nothing"),
    "a variable": (lambda: Revocation.of_sessions(task_id="${aws:PrincipalTag/task_id}"), "policy variable"),
    "a number": (lambda: Revocation.of_sessions(task_id=[7]), "a int"),  # type: ignore[list-item]
    "letters IAM refuses": (lambda: Revocation.of_sessions(task_id="任务"), "U\\+00FF"),
    "a reserved key": (lambda: Revocation.of_sessions(**{"aws:x": "T"}), "reserved"),
}


@pytest.mark.parametrize("name", _BAD)
def test_what_would_never_fire_is_refused(name: str) -> None:
    """A revocation that no session, or every session, would match is an error, not a comfort."""
    make, words = _BAD[name]
    with pytest.raises(InvalidInputError, match=words):
        make()


def test_an_undeclared_tag_is_refused() -> None:
    """A tag the role's sessions do not carry would revoke nobody; so would a declared one in other letters."""
    for tags in ({"tenant": "t"}, {"Task_Id": "T1"}):
        with pytest.raises(InvalidInputError, match=r"do not carry: .* fix: name a declared tag"):
            stacks.session_role(stacks.stack(), restrictions=[Revocation.of_sessions(**tags)])


def test_an_error_quotes_no_tag_value() -> None:
    """A tenant id never reaches a log by way of an error."""
    with pytest.raises(InvalidInputError) as caught:
        Revocation.of_sessions(task_id="secret-tenant?")
    assert "secret-tenant" not in str(caught.value)
    assert SessionTags(task_id="secret-tenant")


def test_more_revoked_tasks_than_the_trust_can_hold_are_an_error() -> None:
    """The trust policy's quota is checked with the revoked values in it."""
    with pytest.raises(QuotaExceededError, match="the trust policy"):
        stacks.session_role(
            stacks.stack(), restrictions=[Revocation.of_sessions(task_id=[f"{n:036}" for n in range(40)])]
        )


def test_a_time_ahead_warns() -> None:
    """A time still to come denies new sessions as well: synth says so."""
    for when, expected in (("2999-01-01T00:00:00Z", True), ("2020-01-01T00:00:00Z", False)):
        stack = stacks.stack()
        stacks.session_role(stack, restrictions=[Revocation.issued_before(when)])
        assert any("lies ahead" in text for text in _warnings(stack)) == expected


def _warnings(stack: cdk.Stack) -> list[str]:
    app = stack.node.root
    assert isinstance(app, cdk.App)
    assembly = app.synth()
    return [str(message.entry.data) for message in assembly.get_stack_by_name(stack.stack_name).messages]


@pytest.mark.parametrize("minting", ["compute", "orchestrator"])
def test_cdk_nag_finds_nothing_new(minting: str) -> None:
    """Denies of everything on everything are no finding of AwsSolutions."""
    context = {**RECOMMENDED_FLAGS, "minting": minting, "revokedBefore": WHEN, "revokedTasks": "a,b"}
    assert findings(AwsSolutionsChecks, ReferenceStack(cdk.App(context=context), STACK_NAME)) == set()
