"""Templates that use none of our constructs: a session role as other systems write it, and ordinary applications."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from tests.support import RECOMMENDED_FLAGS, stacks

_TASK = "${aws:PrincipalTag/task_id}"
_USER = "${aws:PrincipalTag/user_id}"


def by_task(*keys: str) -> dict[str, Any]:
    """Return the leading-key condition as others write it."""
    return {
        "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [*keys]},
        "Null": {"dynamodb:LeadingKeys": "false"},
    }


class PeerStack(cdk.Stack):
    """
    A platform for coding agents: compute roles that mint, one session role, an API beside it.

    Args:
        conditioned: Whether the trust policy demands the tags. Others often do not.
        per_task: Whether object prefixes name the task. Others often stop at the user.
    """

    def __init__(self, scope: cdk.App, id: str, *, conditioned: bool, per_task: bool) -> None:
        """Build it."""
        super().__init__(scope, id)
        self.tables = {name: stacks.table(self, name) for name in ("TaskTable", "TaskEventsTable", "TaskNudgesTable")}
        self.traces, self.attachments = stacks.bucket(self, "TraceBucket"), stacks.bucket(self, "AttachmentsBucket")
        self.runtime = self._service_role("RuntimeExecutionRole", "bedrock-agentcore.amazonaws.com")
        self.ecs = self._service_role("AgentClusterTaskRole", "ecs-tasks.amazonaws.com")
        self.session = iam.Role(
            self, "AgentSessionRole", max_session_duration=cdk.Duration.hours(1),
            assumed_by=self._minters(conditioned), description="Credentials of one task",
        )  # fmt: skip
        for role in (self.runtime, self.ecs):
            mint = iam.PolicyStatement(
                actions=["sts:AssumeRole", "sts:TagSession"], resources=[self.session.role_arn]
            )  # fmt: skip
            role.add_to_principal_policy(mint)
        self._allow_rows()
        self._allow_objects(_USER + (f"/{_TASK}" if per_task else ""))
        self._api()

    def _service_role(self, id: str, service: str) -> iam.Role:
        return iam.Role(self, id, assumed_by=iam.ServicePrincipal(service))

    def _minters(self, conditioned: bool) -> iam.IPrincipal:
        arns = iam.CompositePrincipal(*(iam.ArnPrincipal(role.role_arn) for role in (self.runtime, self.ecs)))
        if not conditioned:
            return iam.SessionTagsPrincipal(arns)
        keys = ("user_id", "repo", "task_id")
        conditions = {
            "StringLike": {f"aws:RequestTag/{key}": "?*" for key in keys},
            "StringNotLike": {f"aws:RequestTag/{key}": ["*/*", "*..*", "."] for key in ("user_id", "task_id")},
            "ForAllValues:StringEquals": {"aws:TagKeys": [*keys]},
            "Null": {"sts:TransitiveTagKeys": "true"},
        }
        both = [
            iam.PrincipalWithConditions(iam.ArnPrincipal(role.role_arn), conditions)
            for role in (self.runtime, self.ecs)
        ]
        return iam.SessionTagsPrincipal(iam.CompositePrincipal(*both))

    def _allow(self, actions: list[str], resources: list[str], conditions: dict[str, Any] | None = None) -> None:
        statement = iam.PolicyStatement(actions=actions, resources=resources, conditions=conditions)
        self.session.add_to_policy(statement)

    def _allow_rows(self) -> None:
        task, events, nudges = (table.table_arn for table in self.tables.values())
        self._allow(["dynamodb:GetItem", "dynamodb:Query", "dynamodb:ConditionCheckItem"], [task], by_task(_TASK))
        written = by_task(_TASK)
        written["ForAllValues:StringEquals"]["dynamodb:Attributes"] = ["task_id", "status", "updated_at"]
        written["Null"]["dynamodb:Attributes"] = "false"
        self._allow(["dynamodb:UpdateItem"], [task], written)
        words = ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
        for arn in (events, nudges):
            self._allow([f"dynamodb:{word}" for word in words], [arn], by_task(_TASK))

    def _allow_objects(self, owner: str) -> None:
        self._allow(["s3:PutObject"], [self.traces.arn_for_objects(f"traces/{owner}/*")])
        self._allow(
            ["s3:GetObject", "s3:GetObjectVersion"], [self.attachments.arn_for_objects(f"attachments/{owner}/*")]
        )
        self._allow(["s3:PutObject"], [self.traces.arn_for_objects(f"artifacts/{_TASK}/*")])

    def _api(self) -> None:
        """A function beside the agents that serves people and reaches every row, as it should."""
        code = lambda_.Code.from_inline("def handler(event, context): ...")
        handler = lambda_.Function(
            self, "CreateTaskFn", code=code, handler="index.handler", runtime=lambda_.Runtime.PYTHON_3_12
        )
        self.tables["TaskTable"].grant_read_write_data(handler)
        self.attachments.grant_read_write(handler)


def peer(*, conditioned: bool, per_task: bool) -> dict[str, Any]:
    """Return the template of another system."""
    app = cdk.App(context=RECOMMENDED_FLAGS)
    return stacks.template(PeerStack(app, "agents-dev", conditioned=conditioned, per_task=per_task))
