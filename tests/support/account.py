"""An AWS account whose every answer is queued, and the small stack it is asked about."""

from collections.abc import Callable
from typing import Any, Self

import boto3
from botocore.stub import Stubber

from session_scoping.commands.validate.matrix import Case, cases_of
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.model import Deployment
from session_scoping.verify.scoping.infer import Options, SessionScope, find_session_roles, scope_of
from tests.support.verify.internals import deployment_of

ACCOUNT = "123456789012"
STACK = "Small"
Template = dict[str, Any]


def role_of(template: Template) -> tuple[SessionScope, Deployment]:
    """Return the one session role of a template, and everything else."""
    deployment = deployment_of(template)
    (role,) = find_session_roles(deployment, Options())
    return scope_of(role, deployment, Options()), deployment


def cases(template: Template, binding: Binding | None = None) -> list[Case]:
    """Return the request matrix of a template."""
    return cases_of(*role_of(template), binding or Binding())


class Account:
    """Stubbed clients: every request and answer is checked against the service models."""

    def __init__(self) -> None:
        session: Any = boto3.Session("AKIAPLANTED", "planted-secret", region_name="eu-west-1")
        names = ("iam", "sts", "cloudformation", "dynamodb", "s3")
        self.clients: dict[str, Any] = {name: session.client(name) for name in names}
        self.stubs = {name: Stubber(client) for name, client in self.clients.items()}
        self.region_name = "eu-west-1"
        self.sessions: list[dict[str, Any]] = []

    def session(self, **arguments: Any) -> Self:
        """Take the place of `boto3.Session`, and keep what it was called with."""
        self.sessions.append(arguments)
        return self

    def client(self, name: str, **_: Any) -> Any:
        """Return the stubbed client."""
        return self.clients[name]

    def simulates(self, cases: list[Case], operation: str, answer: Callable[[Case], str]) -> None:
        """Queue one answer per resource and set of condition keys."""
        groups: dict[tuple[str, str], list[Case]] = {}
        for case in cases:
            groups.setdefault((case.resource, str(sorted(case.context.items()))), []).append(case)
        for group in groups.values():
            results = [result(case, answer(case)) for case in group]
            self.stubs["iam"].add_response(operation, {"EvaluationResults": results, "IsTruncated": False})

    def done(self) -> None:
        """Check that every queued answer was fetched."""
        for stub in self.stubs.values():
            stub.assert_no_pending_responses()


def result(case: Case, decision: str) -> dict[str, Any]:
    """Return one result in the documented shape: the decision for the resource stands inside."""
    specific = {"EvalResourceName": case.resource, "EvalResourceDecision": decision, "MatchedStatements": []}
    return {
        "EvalActionName": case.action,
        "EvalResourceName": "arn:${Partition}:service:::template",
        "EvalDecision": "implicitDeny",
        "ResourceSpecificResults": [specific],
    }


def as_expected(case: Case) -> str:
    """Answer as the verifier does."""
    return "allowed" if case.expected else "explicitDeny"


def deployed(account: Account, template: Template) -> Binding:
    """Queue a stack on two pages, and return the names it has."""
    kinds = {key: resource["Type"] for key, resource in template["Resources"].items()}
    names = {key: f"physical-{number}" for number, key in enumerate(sorted(kinds))}
    summaries = [
        {
            "LogicalResourceId": key,
            "PhysicalResourceId": names[key],
            "ResourceType": kinds[key],
            "LastUpdatedTimestamp": "2026-01-01T00:00:00Z",
            "ResourceStatus": "CREATE_COMPLETE",
        }
        for key in sorted(kinds)
    ]
    identity = {"UserId": "A", "Account": ACCOUNT, "Arn": f"arn:aws-cn:iam::{ACCOUNT}:user/me"}
    account.stubs["sts"].add_response("get_caller_identity", identity)
    cloudformation = account.stubs["cloudformation"]
    for page, more in ((summaries[:2], {"NextToken": "more"}), (summaries[2:], {})):
        asked = {"StackName": "deployed", **({} if more else {"NextToken": "more"})}
        cloudformation.add_response("list_stack_resources", {"StackResourceSummaries": page, **more}, asked)
    place = {"AWS::AccountId": ACCOUNT, "AWS::Region": "eu-west-1", "AWS::Partition": "aws-cn"}
    # The tests' deployment calls the template `S`, the command by its file.
    return Binding({**place, **{f"Template.{key}": name for key, name in names.items()}})
