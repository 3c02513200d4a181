"""
A Step Functions orchestrator: its function signs a task token, and a worker that may run any code spends it.

The worker cannot mint and cannot sign. It reaches the row of the task whose token it was given.
"""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from session_scoping import (
    ComputeBackend,
    CredentialBroker,
    Minting,
    ScopedComputeRole,
    SessionRole,
    TaskTokenIssuer,
    TenantTable,
)

FUNCTIONS = Path(__file__).parent / "functions"


class Orchestrated(cdk.Stack):
    """The table, the state machine with its function, the worker, and the role that each task runs under."""

    def __init__(self, scope: Construct, id: str, **kwargs: Any) -> None:
        """Build the stack."""
        super().__init__(scope, id, **kwargs)
        rows = dynamodb.Table(
            self,
            "Tasks",
            partition_key=dynamodb.Attribute(name="task_id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
        )
        tokens = TaskTokenIssuer(self, "TaskTokens", domain_name="tokens.example.com", audience="workers")
        broker = CredentialBroker(
            self, "Broker", signing_key=tokens.signing_key, issuer=tokens.issuer, audience=tokens.audience
        )
        agent = ScopedComputeRole(self, "WorkerRole", backend=ComputeBackend.LAMBDA)
        session = SessionRole(
            self,
            "SessionRole",
            minting=Minting.by_credential_broker(broker, compute_roles=[agent]),
            tables=[TenantTable(rows, access=("get", "update"))],
        )
        worker = self._function(
            "Worker", "worker", role=agent, environment={"TASK_TABLE": rows.table_name, **session.environment}
        )
        logs = iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AWSLambdaBasicExecutionRole")
        signs = iam.Role(
            self, "DispatcherRole", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), managed_policies=[logs]
        )
        tokens.grant_issue(signs)
        worker.grant_invoke(signs)
        dispatcher = self._function(
            "Dispatcher",
            "dispatcher",
            role=signs,
            environment={
                "SIGNING_KEY_ARN": tokens.signing_key.key_arn,
                "TOKEN_ISSUER": tokens.issuer,
                "TOKEN_AUDIENCE": tokens.audience,
                "WORKER": worker.function_name,
            },
        )
        # Who may start an execution says which task it is for: grant that to the service that authenticated the user.
        work = tasks.LambdaInvoke(self, "Work", lambda_function=dispatcher, payload_response_only=True)
        sfn.StateMachine(self, "Orchestrator", definition_body=sfn.DefinitionBody.from_chainable(work))

    def _function(
        self, id: str, module: str, *, role: iam.IRole | ScopedComputeRole, environment: dict[str, str]
    ) -> lambda_.Function:
        return lambda_.Function(
            self,
            id,
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler=f"{module}.handler",
            # Yours: a bundle or a layer that holds session-scoping[agent] as well.
            code=lambda_.Code.from_asset(str(FUNCTIONS), exclude=["__pycache__"]),
            role=role,
            timeout=cdk.Duration.minutes(15),
            environment=environment,
        )


def build(app: cdk.App) -> Orchestrated:
    """Add the stack."""
    return Orchestrated(app, "Orchestrated")


if __name__ == "__main__":
    orchestrated = cdk.App()
    build(orchestrated)
    orchestrated.synth()
