"""Templates that use none of our constructs: another system's session role, and applications that have none."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam

from session_scoping.commands.main import main
from session_scoping.verify import Report, Result, Status, verify
from tests.support.verify import applications
from tests.support.verify.peers import PeerStack, peer


def by_rule(report: Report) -> dict[tuple[str, str], Result]:
    """Return the results by rule and the last word of what they are about, without CDK's hash."""
    return {(result.rule, result.subject.rpartition("/")[2][:-8]): result for result in report.results}


@pytest.fixture(scope="module")
def usual() -> dict[tuple[str, str], Result]:
    """What is said of a session role as others often write it: no condition on trust, prefixes per user."""
    return by_rule(verify(peer(conditioned=False, per_task=False)))


def test_a_trust_policy_without_conditions_is_found(usual: dict[tuple[str, str], Result]) -> None:
    """The first trust statement admits an untagged AssumeRole, and the counterexample is that request."""
    result = usual["session-tags", "AgentSessionRole"]
    assert result.status is Status.VIOLATED
    assert result.counterexample is not None
    assert (result.counterexample.action, result.counterexample.session) == ("sts:AssumeRole", {})
    assert "trust[0]" in result.counterexample.decided_by


def test_rows_are_proved_even_so(usual: dict[tuple[str, str], Result]) -> None:
    """A session without a task_id matches no leading key, and `dynamodb:Attributes` narrows the update only further."""
    for table in ("TaskTable", "TaskEventsTable", "TaskNudgesTable"):
        assert usual["partition-isolation", table].status is Status.PROVED, table


@pytest.mark.parametrize("bucket", ["TraceBucket", "AttachmentsBucket"])
def test_a_prefix_per_user_is_shared_by_the_users_tasks(bucket: str, usual: dict[tuple[str, str], Result]) -> None:
    """The counterexample's two sessions differ in the task, by name or by a `/` that trust does not refuse."""
    result = usual["object-isolation", bucket]
    assert result.status is Status.VIOLATED
    assert result.counterexample is not None
    assert result.counterexample.session["user_id"] == result.counterexample.victim["user_id"]
    (differ,) = (line for line in result.counterexample.lines() if "  differ " in line)
    assert "in task_id" in differ


def test_the_api_beside_the_agents_is_no_compute_role(usual: dict[tuple[str, str], Result]) -> None:
    """A function that serves people reaches all rows, as it should; the roles that mint reach none."""
    assert {name for rule, name in usual if rule == "compute-isolation"} == {
        "RuntimeExecutionRole",
        "AgentClusterTaskRole",
    }
    assert usual["compute-isolation", "RuntimeExecutionRole"].status is Status.PROVED


def test_what_the_verifier_asks_for_makes_it_prove() -> None:
    """Tags demanded by the trust and prefixes that name the task: the same system is PROVED."""
    report = verify(peer(conditioned=True, per_task=True))
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


def test_prefixes_per_user_pass_when_the_sharing_is_said() -> None:
    """With conditions on the trust, the one thing left is the sharing, and `--shared-by` says it is meant."""
    template = peer(conditioned=True, per_task=False)
    assert {result.rule for result in verify(template).failures()} == {"object-isolation"}
    assert verify(template, shared_by=("user_id",)).proved


def build(tmp_path: Path, make: Callable[[PeerStack], object]) -> Path:
    """Return the assembly of the other system with something added."""
    app = cdk.App(outdir=str(tmp_path / "cdk.out"))
    make(PeerStack(app, "Agents", conditioned=True, per_task=True))
    app.synth()
    return tmp_path / "cdk.out"


def test_a_compute_role_that_keeps_its_old_grant_is_found(tmp_path: Path) -> None:
    """The direct grant that the session role was to replace still opens every row."""
    out = build(tmp_path, lambda stack: stack.tables["TaskTable"].grant_read_write_data(stack.ecs))
    failures = verify(out).failures()
    assert {(result.rule, result.status) for result in failures} == {("compute-isolation", Status.VIOLATED)}


def broker(stack: PeerStack) -> iam.Role:
    """Let a function mint that holds all rows, and nobody else."""
    role = iam.Role(stack, "Starter", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
    stack.tables["TaskTable"].grant_read_write_data(role)
    trust: Any = stack.session.node.default_child
    statements = stack.resolve(stack.session.assume_role_policy.to_json())["Statement"]  # type: ignore[union-attr]
    kept = copy.deepcopy(statements[:1])
    kept[0]["Principal"] = {"AWS": stack.resolve(role.role_arn)}
    trust.add_property_override("AssumeRolePolicyDocument.Statement", kept)
    return role


def test_a_function_that_alone_mints_may_be_a_broker_and_somebody_must_say_so(tmp_path: Path) -> None:
    """Whether agent code runs with it is in no template: UNKNOWN with its rows, PROVED once they are named."""
    out = build(tmp_path, broker)
    (failure,) = verify(out).failures()
    assert (failure.rule, failure.status) == ("compute-isolation", Status.UNKNOWN)
    assert "--compute-role" in failure.detail
    named = ["--compute-role", "RuntimeExecutionRole", "--compute-role", "AgentClusterTaskRole"]
    assert main(["verify", str(out), *named]) == 0


def test_where_a_role_is_denied_to_mint_by_name_the_minter_is_a_broker(tmp_path: Path) -> None:
    """That Deny is how `Minting.by_orchestrator` says which roles run agent code; one on every role says nothing."""

    def denied(resource: Callable[[PeerStack], str]) -> Callable[[PeerStack], None]:
        def make(stack: PeerStack) -> None:
            broker(stack)
            deny = iam.PolicyStatement(
                effect=iam.Effect.DENY, actions=["sts:AssumeRole"], resources=[resource(stack)]
            )  # fmt: skip
            iam.ManagedPolicy(stack, "Keep", roles=[stack.runtime], statements=[deny])

        return make

    report = verify(build(tmp_path, denied(lambda stack: stack.session.role_arn)))
    assert report.proved, [result.detail for result in report.failures()]
    assert any("Starter" in text and "does not run with it" in text for text in report.assumptions)
    assert not verify(build(tmp_path / "all", denied(lambda _: "*"))).proved


@pytest.mark.parametrize("option", ["--session-role", "--compute-role", "--store"])
def test_a_word_that_names_nothing_is_exit_code_2(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A misspelt role would be left out of the proof without a word."""
    out = build(tmp_path, lambda stack: dynamodb.Table.from_table_name(stack, "Other", "other"))
    assert main(["verify", str(out), option, "NoSuchThing"]) == 2
    assert "`NoSuchThing` names nothing" in capsys.readouterr().err


@pytest.mark.parametrize("make", applications.ALL, ids=lambda make: make.__name__)
def test_an_application_without_sessions_is_vacuous(
    make: Callable[[cdk.App], object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is proved about it, that is said, and the exit code is 1; `explain` says the same."""
    app = cdk.App(outdir=str(tmp_path / "cdk.out"))
    make(app)
    app.synth()
    report = verify(tmp_path / "cdk.out")
    (result,) = report.results
    assert (result.rule, result.status) == ("session-roles", Status.VACUOUS)
    assert "roles is assumed with session tags" in result.detail
    assert main(["verify", str(tmp_path / "cdk.out")]) == 1
    assert main(["explain", str(tmp_path / "cdk.out")]) == 1
    assert "Traceback" not in capsys.readouterr().err
