"""`session-scoping validate` asks AWS the template's own requests and reports every answer that is not expected."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY
from rich.console import Console

from session_scoping import Revocation
from session_scoping.commands.main import main
from session_scoping.commands.validate.deployed import environment_of
from session_scoping.commands.validate.matrix import FOREIGN, OWN, Case, boundary_of, cases_of, documents_of
from session_scoping.commands.validate.render import LIMITS, print_table
from session_scoping.commands.validate.simulation import Answer, PolicySimulator, context_entries
from session_scoping.verify.policies.binding import Binding
from tests.support import simulator, stacks
from tests.support.account import ACCOUNT, STACK, Account, Template, as_expected, deployed, result, role_of
from tests.support.account import cases as matrix
from tests.support.simulator import Policies, request

Output = pytest.CaptureFixture[str]


# --- the matrix -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "context", [{}, {"minting": "orchestrator"}, {"revokedBefore": "2026-01-01T00:00:00Z", "revokedTasks": "a"}]
)
def test_the_independent_simulator_agrees_with_every_expectation(context: dict[str, str]) -> None:
    """What the command expects of the reference stack is what an independent simulator says of its documents."""
    from tests.support.reference import synthesize_reference

    scoped, deployment = role_of(synthesize_reference(**context))
    cases, documents = cases_of(scoped, deployment, Binding()), documents_of(scoped.role, Binding())
    asked = [request(case.action, case.resource, dict(case.context)) for case in cases]
    answers = simulator.ask(Policies(documents), asked, checked=True)
    wrong = [
        (c.title, c.action, c.resource)
        for c, said in zip(cases, answers, strict=True)
        if (said == "Allowed") != c.expected
    ]
    assert wrong == []
    assert len(cases) > 150


def test_the_matrix_asks_for_what_is_granted_and_for_each_near_miss(template: Template) -> None:
    """Own requests are expected to pass, and all other requests to be denied."""
    found = {(case.title, case.expected) for case in matrix(template)}
    assert found == {
        (OWN, True),
        (FOREIGN, False),
        ("its own and another session's", False),
        ("its own, by another action", False),
        ("no dynamodb:LeadingKeys", False),
        ("no tags", False),
        ("the whole table", False),
        ("an index", False),
        ("the stream", False),
        ("the table itself", False),
        ("another object", False),
        ("a listing", False),
        ("becoming a role", False),
        ("changing its own policies", False),
    }


def test_revoked_sessions_are_asked_about() -> None:
    """With revocations in the template, what they end is part of the matrix and expected to be denied."""
    stack = stacks.stack()
    stacks.session_role(
        stack, restrictions=[Revocation.issued_before("2026-01-01T00:00:00Z"), Revocation.of_sessions(task_id="T")]
    )
    asked = [case for case in matrix(stacks.template(stack)) if case.title == "a revoked session"]
    assert len(asked) == 2
    assert not any(case.expected for case in asked)


def test_no_case_names_a_tag_value_somebody_could_have(template: Template) -> None:
    """Probe values say that they are probes."""
    values = {
        str(value)
        for case in matrix(template)
        for key, value in case.context.items()
        if key.startswith("aws:PrincipalTag")
    }
    assert values
    assert all(value.startswith("probe-") for value in values)


def test_condition_keys_go_over_with_their_types() -> None:
    """A list stays a list, a date a date: the simulator compares by type."""
    keys: dict[str, str | list[str]] = {
        "aws:PrincipalTag/task_id": "T",
        "dynamodb:LeadingKeys": ["T"],
        "aws:TokenIssueTime": "2026-01-01T00:00:00Z",
    }
    types = {entry["ContextKeyName"]: entry["ContextKeyType"] for entry in context_entries(keys)}
    assert types == {
        "aws:PrincipalTag/task_id": "string",
        "dynamodb:LeadingKeys": "stringList",
        "aws:TokenIssueTime": "date",
    }


# --- AWS's part, on the shapes botocore's service models allow --------------------------------------------------------


def test_agreement_on_every_request_is_zero(account: Account, template: Template, path: str, capsys: Output) -> None:
    """When AWS says what the verifier says, the command exits 0 and prints the limits of what was asked."""
    account.simulates(matrix(template), "simulate_custom_policy", as_expected)
    assert main(["validate", path]) == 0
    out = capsys.readouterr().out
    account.done()
    assert f"agrees on all {len(matrix(template))} requests" in out
    assert "DIFFERENT" not in out
    assert "no resource policies" in out


def test_one_different_answer_is_one_and_shown(account: Account, template: Template, path: str, capsys: Output) -> None:
    """A request AWS would let through and the verifier would not fails the command, with the row to look at."""
    cases = matrix(template)
    odd = next(case for case in cases if case.title == FOREIGN and case.action == "dynamodb:GetItem")
    answers = lambda case: "allowed" if case == odd else as_expected(case)  # noqa: E731
    account.simulates(cases, "simulate_custom_policy", answers)
    assert main(["validate", path, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["same"] is False
    different = [row for row in found["results"] if row["aws"] != row["expected"]]
    assert [(row["request"], row["action"], row["expected"], row["aws"]) for row in different] == [
        (FOREIGN, "dynamodb:GetItem", "denied", "allowed")
    ]
    account.simulates(cases, "simulate_custom_policy", answers)
    assert main(["validate", path]) == 1
    out = capsys.readouterr().out
    assert out.count("DIFFERENT") == 1
    assert "decides 1 otherwise" in out


def test_the_table_shows_everything_when_asked(account: Account, template: Template, path: str, capsys: Output) -> None:
    """`--all` prints rows that agree as well, actions that were answered alike in one row."""
    account.simulates(matrix(template), "simulate_custom_policy", as_expected)
    assert main(["validate", path, "--all"]) == 0
    out = capsys.readouterr().out
    assert out.count("same") >= 10
    assert "whole" in out


def test_throttling_that_lasts_leaves_requests_open_and_is_one(
    account: Account, template: Template, path: str, capsys: Output
) -> None:
    """A request without an answer is no agreement."""
    cases = matrix(template)
    account.stubs["iam"].add_client_error("simulate_custom_policy", "Throttling", http_status_code=400)
    rest = [case for case in cases if (case.resource, case.context) != (cases[0].resource, cases[0].context)]
    account.simulates(rest, "simulate_custom_policy", as_expected)
    assert main(["validate", path, "--json"]) == 1
    silent = [row for row in json.loads(capsys.readouterr().out)["results"] if row["aws"] == "no answer"]
    assert silent
    assert {row["note"] for row in silent} == {"AWS answered Throttling"}


def test_a_missing_permission_is_one_clear_line(account: Account, path: str, capsys: Output) -> None:
    """AccessDenied concerns every request: the command stops and says which permission."""
    account.stubs["iam"].add_client_error("simulate_custom_policy", "AccessDenied", http_status_code=403)
    assert main(["validate", path]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert "iam:SimulateCustomPolicy" in err
    assert len(err.strip().splitlines()) == 1


def test_an_action_the_simulator_does_not_know_spoils_no_other(template: Template) -> None:
    """A call refused as invalid input is repeated action by action."""
    group = [case for case in matrix(template) if case.title == "its own, by another action"][:3]
    found = Account()
    with found.stubs["iam"] as stub:
        stub.add_client_error("simulate_custom_policy", "InvalidInput", http_status_code=400)
        for case in group[:2]:
            stub.add_response("simulate_custom_policy", {"EvaluationResults": [result(case, "implicitDeny")]})
        stub.add_client_error("simulate_custom_policy", "InvalidInput", http_status_code=400)
        answers = PolicySimulator(found.clients["iam"], Binding()).ask(group)
    assert [answer.allowed for answer in answers] == [False, False, None]


def _ask_one(template: Template, *responses: dict[str, Any], case: Case | None = None) -> Answer:
    asked = case or next(case for case in matrix(template) if case.title == OWN)
    found = Account()
    with found.stubs["iam"] as stub:
        marker: dict[str, str] = {}
        for response in responses:
            expected = {
                "ActionNames": [asked.action],
                "ResourceArns": [asked.resource],
                "ContextEntries": context_entries(asked.context),
                "PolicyInputList": [
                    json.dumps(document, separators=(",", ":")) for document in documents_of(asked.role, Binding())
                ],
                **marker,
            }
            stub.add_response("simulate_custom_policy", response, expected)
            marker = {"Marker": response["Marker"]} if "Marker" in response else {}
        (answer,) = PolicySimulator(found.clients["iam"], Binding()).ask([asked])
        stub.assert_no_pending_responses()
    return answer


def test_an_answer_on_a_later_page_is_found(template: Template) -> None:
    """Pages are followed until IAM says there are no more; the request is the same but for the marker."""
    case = next(case for case in matrix(template) if case.title == OWN)
    first = {"EvaluationResults": [], "IsTruncated": True, "Marker": "more"}
    last = {"EvaluationResults": [result(case, "allowed")], "IsTruncated": False}
    assert _ask_one(template, first, last).allowed is True


def test_the_decision_of_the_resource_counts_not_the_summary(template: Template) -> None:
    """EvalDecision sums up over resources; the decision for this one stands in ResourceSpecificResults."""
    case = next(case for case in matrix(template) if case.title == OWN)
    other = {"EvalResourceName": "arn:aws:s3:::other", "EvalResourceDecision": "explicitDeny"}
    answer = result(case, "allowed")
    answer["ResourceSpecificResults"].insert(0, other)
    assert _ask_one(template, {"EvaluationResults": [answer]}).allowed is True
    plain = {"EvalActionName": case.action, "EvalDecision": "allowed"}
    assert _ask_one(template, {"EvaluationResults": [plain]}).allowed is True


@pytest.mark.parametrize("results", [[], "other"])
def test_what_aws_leaves_out_is_no_answer(template: Template, results: Any) -> None:
    """An empty answer, or one about other resources, agrees with nothing."""
    case = next(case for case in matrix(template) if case.title == OWN)
    answer = result(case, "allowed")
    answer["ResourceSpecificResults"] = [
        {"EvalResourceName": f"arn:aws:s3:::other-{n}", "EvalResourceDecision": "allowed"} for n in range(2)
    ]
    found = _ask_one(template, {"EvaluationResults": [answer] if results else []})
    assert found.allowed is None
    assert not found.agrees


def test_condition_keys_aws_missed_are_named(template: Template) -> None:
    """A missing key is shown with the answer it may have changed."""
    case = next(case for case in matrix(template) if case.title == OWN)
    answer = result(case, "implicitDeny")
    answer["ResourceSpecificResults"][0]["MissingContextValues"] = ["aws:SourceVpc"]
    assert _ask_one(template, {"EvaluationResults": [answer]}).note == "AWS missed aws:SourceVpc"


def test_a_boundary_is_sent_with_the_policies() -> None:
    """A permissions boundary in the template takes part in the simulation."""
    from aws_cdk import aws_iam as iam

    stack = stacks.stack()
    statement = iam.PolicyStatement(actions=["s3:*"], resources=["*"])
    boundary = iam.ManagedPolicy(stack, "Boundary", statements=[statement])
    stacks.session_role(stack, permissions_boundary=boundary)
    scoped, _ = role_of(stacks.template(stack))
    found = boundary_of(scoped.role, Binding())
    assert found == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": ["s3:*"], "Resource": ["*"]}],
    }


def test_colours_say_what_agrees_and_what_does_not(template: Template) -> None:
    """A reader sees what is wrong before reading; the words say it as well."""
    case = matrix(template)[0]
    printed = io.StringIO()
    console = Console(file=printed, force_terminal=True, color_system="standard", width=200, no_color=False)
    answers = [Answer(case, case.expected), Answer(case, not case.expected), Answer(case, None)]
    print_table(answers, "AWS", everything=True, console=console)
    print_table(answers[:1], "AWS", everything=False, console=console)
    green, red = "\x1b[32m", "\x1b[1;31m"
    text = printed.getvalue()
    assert [text.count(f"{green}same"), text.count(f"{red}DIFFERENT")] == [1, 2]
    assert [text.count(f"{red}NOT THE SAME"), text.count(f"{green}SAME")] == [1, 1]
    assert text.count("\x1b[2m  - ") == 2 * len(LIMITS)


# --- a deployed stack -----------------------------------------------------------------------------------------------


def test_a_deployed_stack_is_asked_by_its_physical_names(
    account: Account, template: Template, path: str, capsys: Output
) -> None:
    """With --stack the deployed role is asked, about the names CloudFormation gave, in its own partition."""
    binding = deployed(account, template)
    cases = matrix(template, binding)
    assert all("physical-" in case.resource for case in cases)
    accounts = [case.context["aws:ResourceAccount"] for case in cases if "aws:ResourceAccount" in case.context]
    assert accounts == [ACCOUNT] * 4
    account.simulates(cases, "simulate_principal_policy", as_expected)
    assert main(["validate", path, "--stack", "deployed", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["results"]
    account.done()
    assert {row["resource"] for row in rows} == {case.resource for case in cases}
    assert any(row["resource"].startswith(f"arn:aws-cn:dynamodb:eu-west-1:{ACCOUNT}:table/physical-") for row in rows)


def test_the_pseudo_parameters_of_no_environment_have_values_too() -> None:
    """What the verifier itself names belongs to no stack's environment."""
    values = {"AWS::AccountId": ACCOUNT, "AWS::Region": "eu-west-1", "AWS::Partition": "aws"}
    assert environment_of([], ACCOUNT, "eu-west-1", "aws") == values


def test_another_deployed_role_can_be_named(account: Account, template: Template, path: str) -> None:
    """`--role-arn` goes to the simulator as the principal."""
    arn = f"arn:aws:iam::{ACCOUNT}:role/copy"
    cases = matrix(template, deployed(account, template))
    groups = len({(case.resource, str(sorted(case.context.items()))) for case in cases})
    asked = {"PolicySourceArn": arn, "ActionNames": ANY, "ResourceArns": ANY, "ContextEntries": ANY}
    account.stubs["iam"].add_client_error(
        "simulate_principal_policy", "NoSuchEntity", http_status_code=404, expected_params=asked
    )
    assert groups > 1
    assert main(["validate", path, "--stack", f"{STACK}=deployed", "--role-arn", arn]) == 1


def test_an_unknown_stack_is_two(account: Account, path: str, capsys: Output) -> None:
    """A stack that is not there is a wrong command line, and said so."""
    identity = {"UserId": "A", "Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/me"}
    account.stubs["sts"].add_response("get_caller_identity", identity)
    account.stubs["cloudformation"].add_client_error("list_stack_resources", "ValidationError", "does not exist")
    assert main(["validate", path, "--stack", "nobody"]) == 2
    assert "is not deployed here" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [["--live"], ["--role-arn", f"arn:aws:iam::{ACCOUNT}:role/x"], ["--stack", "Other=x"]]
)
def test_a_wrong_command_line_is_two(account: Account, path: str, options: list[str], capsys: Output) -> None:
    """Live and deployed questions need the stack whose names they use."""
    assert account
    assert main(["validate", path, *options]) == 2
    assert "fix:" in capsys.readouterr().err


def test_a_template_without_a_session_role_is_two(account: Account, tmp_path: Path, capsys: Output) -> None:
    """Nothing to validate is no pass."""
    assert account
    (tmp_path / "E.template.json").write_text('{"Resources": {}}')
    assert main(["validate", str(tmp_path)]) == 2
    assert "no session role" in capsys.readouterr().err
