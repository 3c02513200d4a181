"""CredentialBroker: the function that exchanges a task's signed token for the task's credentials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from session_scoping.constructs.cdk.policy_series import PolicySeries
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.cdk.synth_checks import SynthChecks
from session_scoping.constructs.compute.role import AnyRole
from session_scoping.constructs.minting import broker_policies
from session_scoping.constructs.minting.accepted_tokens import AcceptedTokens
from session_scoping.constructs.minting.broker_tie import BrokerTie
from session_scoping.constructs.minting.functions import check_network, function_of
from session_scoping.constructs.minting.signing_keys import every_replica, grant_issue, require_signing_key
from session_scoping.contract import environment
from session_scoping.contract.errors import FUNCTION_TIMEOUT_SECONDS, InvalidInputError
from session_scoping.contract.task_token import DEFAULT_SUBJECT, check_issuer, check_plain
from session_scoping.lambdas import bundle

# A call takes some 0.3 s when warm, so ten at a time mint about thirty sessions a second: more than 50,000 tasks need
# that refresh every half hour, and a twentieth of the 600 STS requests a second an account has in a Region.
CONCURRENCY = 10

_METRICS = "SessionScoping"


class CredentialBroker(Construct):
    """
    A Lambda function that verifies a task token and returns credentials with exactly the token's tags.

    Its role is the only one that mints for its session role (`Minting.by_credential_broker`). Agent code may invoke
    the function and nothing else; the orchestrator may sign tokens and nothing else (`grant_issue`).

    NOT PROTECTED: a token is a bearer credential, good for one task until it expires or is revoked; a principal that
    may invoke the function can use up its concurrency, and tasks then live on the credentials they hold.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        signing_key: kms.IKey,
        issuer: str,
        audience: str,
        subject: str = DEFAULT_SUBJECT,
        revocation_table: dynamodb.ITable | None = None,
        reserved_concurrency: int | None = CONCURRENCY,
        vpc: cdk.aws_ec2.IVpc | None = None,
        vpc_subnets: cdk.aws_ec2.SubnetSelection | None = None,
        security_groups: Sequence[cdk.aws_ec2.ISecurityGroup] | None = None,
        log_retention: logs.RetentionDays = logs.RetentionDays.ONE_YEAR,
    ) -> None:
        """
        Make the function, its role, its log group and the table of revocations.

        Args:
            scope: Parent construct.
            id: Construct id; part of logical ids.
            signing_key: The asymmetric RSA key that signs task tokens.
            issuer: The one `iss` that is accepted: `https://host[/path]`.
            audience: The one `aud` that is accepted.
            subject: The one `sub` that is accepted. Default: `agent-task`, the default of task tokens.
            revocation_table: Table of revoked tokens, keyed on `id` alone, with `expires_at` as its time to live.
                Default: one is made, with point-in-time recovery, and kept when the stack is deleted.
            reserved_concurrency: How many exchanges run at once, taken from the account's concurrency. Default: 10,
                which mint about thirty sessions a second and bound what one broken agent can ask of STS. None
                reserves nothing; an account new to Lambda has nothing to spare and needs that.
            vpc: The VPC the function runs in: that of a `WorkloadBinding`, if its sessions have one. The function
                calls STS, KMS and DynamoDB from there, and STS through its endpoint where sessions are bound.
                Default: none.
            vpc_subnets: Which subnets. Default: the private ones.
            security_groups: Its security groups. Default: one is made, which lets everything out.
            log_retention: How long decisions are kept. Default: one year.

        Raises:
            InvalidInputError: The key is known to be of another kind, the issuer, audience or subject has another
                form, the table another key, a subnet or security group no VPC, or another role of the app takes the
                same tokens.
        """
        require_signing_key(signing_key)
        check_issuer(issuer)
        check_plain("audience", audience)
        check_plain("subject", subject)
        _check_concurrency(reserved_concurrency)
        check_network(vpc, vpc_subnets, security_groups)
        super().__init__(scope, id)
        AcceptedTokens(issuer, audience, subject, every_replica(signing_key)).claim(self)
        self._context = StackContext.of(self)
        self._signing_key, self._vpc = signing_key, vpc
        self._table = _checked(revocation_table) if revocation_table is not None else self._make_table()
        self._log_group = logs.LogGroup(self, "Logs", retention=log_retention)
        self._role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            description="Exchanges task tokens for session credentials; the only role that mints them",
        )
        self._policies = PolicySeries(
            self,
            "Permissions",
            self._context,
            PolicySizer.at(self._context),
            "CloudWatch Logs names the streams of a log group; Lambda makes the network interfaces of a VPC.",
        )
        own = broker_policies.own(self._context, signing_key, self._table, self._log_group)
        self._policies.write([*own, *(broker_policies.interfaces() if vpc else [])], [self._role])
        if vpc:
            guards = PolicySeries(self, "Guards", self._context, PolicySizer.at(self._context))
            guards.write(broker_policies.interface_guards(), [self._role])
            SynthChecks.of(self._context).add(guards.finished)
        SynthChecks.of(self._context).add(self._policies.finished)
        self._function = self._make_function(
            reserved_concurrency,
            {
                environment.BROKER_SIGNING_KEY_ARN: signing_key.key_arn,
                environment.BROKER_ISSUER: issuer,
                environment.BROKER_AUDIENCE: audience,
                environment.BROKER_SUBJECT: subject,
                environment.BROKER_REVOCATION_TABLE: self._table.table_name,
            },
            {"vpc": vpc, "vpc_subnets": vpc_subnets, "security_groups": security_groups} if vpc else {},
        )
        BrokerTie(self, self._context, self._function, self._table, self._role)

    def _make_table(self) -> dynamodb.ITable:
        return dynamodb.Table(
            self,
            "Revocations",
            partition_key=dynamodb.Attribute(name="id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            time_to_live_attribute="expires_at",
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
        )

    def _make_function(
        self, concurrency: int | None, variables: dict[str, str], network: dict[str, Any]
    ) -> lambda_.Function:
        function = function_of(
            self,
            "Function",
            bundle=bundle.CREDENTIAL_BROKER,
            role=self._role,
            log_group=self._log_group,
            description="Exchanges a task token for the task's credentials",
            memory_size=256,
            timeout=cdk.Duration.seconds(FUNCTION_TIMEOUT_SECONDS),
            reserved_concurrent_executions=concurrency,
            environment=variables,
            **network,
        )
        # It reads nothing of its policies by reference: without this it could run before it may verify.
        function.node.add_dependency(*self._policies.policies)
        return function

    @property
    def role(self) -> iam.Role:
        """The function's role: the only one that mints for its session role."""
        return self._role

    @property
    def function(self) -> lambda_.Function:
        """The function."""
        return self._function

    @property
    def vpc(self) -> cdk.aws_ec2.IVpc | None:
        """The VPC the function runs in."""
        return self._vpc

    @property
    def signing_key(self) -> kms.IKey:
        """The key that signs task tokens."""
        return self._signing_key

    @property
    def revocation_table(self) -> dynamodb.ITable:
        """The table of revoked tokens."""
        return self._table

    @property
    def log_group(self) -> logs.LogGroup:
        """One JSON line for each decision; it names the token by its `jti` and holds no tag and no credential."""
        return self._log_group

    def grant_invoke(self, grantee: AnyRole) -> iam.Grant:
        """Let a role exchange tokens. The compute roles of `Minting.by_credential_broker` may already."""
        return broker_policies.granted(grantee, ["lambda:InvokeFunction"], self._function.function_arn)

    def grant_issue(self, grantee: AnyRole) -> iam.Grant:
        """Let the orchestrator sign task tokens, and nothing else."""
        return grant_issue(grantee, [self._signing_key])

    def grant_revoke(self, grantee: AnyRole) -> iam.Grant:
        """Let a role revoke tokens, and look up and take back what is revoked."""
        actions = ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:DeleteItem"]
        grant = broker_policies.granted(grantee, actions, self._table.table_arn)
        if key := self._table.encryption_key:
            via = {"StringEquals": {"kms:ViaService": self._context.via_service("dynamodb", [key.key_arn])}}
            broker_policies.granted(grantee, ["kms:Decrypt"], key.key_arn, via)
        return grant

    def metric_refusals(self) -> cloudwatch.Metric:
        """
        Return the number of tokens refused, whatever the reason.

        The function answers refusals; its own error metric stays at zero.
        """
        filter_id = "RefusalsFilter"
        found = self.node.try_find_child(filter_id)
        if not isinstance(found, logs.MetricFilter):
            found = self._log_group.add_metric_filter(
                filter_id,
                filter_pattern=logs.FilterPattern.literal('{ $.event = "task_token" && $.code != "Issued" }'),
                metric_namespace=_METRICS,
                metric_name=f"{self.node.addr}-refusals",
            )
        return found.metric(statistic="Sum", period=cdk.Duration.minutes(5))

    def add_alarms(self, *actions: cloudwatch.IAlarmAction, refusals: int = 20) -> list[cloudwatch.Alarm]:
        """
        Add alarms: a crash, a throttled call, many refusals. None is made unless this is called, as the CDK's own do.

        Args:
            actions: What an alarm does, such as an SnsAction. Default: it only shows.
            refusals: How many refusals in five minutes are too many. Default: 20; a task that ran past its token's end
                is refused a few times.
        """
        five_minutes = cdk.Duration.minutes(5)
        watched = {
            "Errors": (self._function.metric_errors(period=five_minutes), 1),
            "Throttles": (self._function.metric_throttles(period=five_minutes), 1),
            "Refusals": (self.metric_refusals(), refusals),
        }
        alarms = [
            cloudwatch.Alarm(
                self,
                f"{name}Alarm",
                metric=metric,
                threshold=threshold,
                evaluation_periods=1,
                treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
                alarm_description=f"Credential broker: {name.lower()}; running tasks live on the credentials they hold",
            )
            for name, (metric, threshold) in watched.items()
        ]
        for alarm in alarms:
            alarm.add_alarm_action(*actions)
        return alarms


def _checked(table: dynamodb.ITable) -> dynamodb.ITable:
    """Refuse a table that is known to have another key."""
    resource = table.node.default_child
    if isinstance(resource, dynamodb.CfnTable):
        context = StackContext.of(table)
        keys = {part["attributeName"] for part in context.stack.resolve(resource.key_schema)}
        if keys != {"id"}:
            raise InvalidInputError(
                f"table `{table.node.path}` cannot hold revocations",
                got="another key",
                expected="the partition key `id`, and no sort key",
                why="no revocation would be found, and every token would pass",
                fix="leave revocation_table out, or give it that key and `expires_at` as its time to live",
            )
    return table


def _check_concurrency(number: int | None) -> None:
    if number is not None and (type(number) is not int or number < 1):
        raise InvalidInputError(
            "`reserved_concurrency` is no number of calls",
            got=f"`{number}`",
            expected="1 or more, or None",
            why="with 0 the function never runs, and no task gets credentials",
            fix="leave it out for ten",
        )
