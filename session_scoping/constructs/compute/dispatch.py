"""`grant_dispatch`: starting, stopping and entering tasks on an AgentCore runtime, for a user or for none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import TypeAlias

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from session_scoping.aws.token_vault import INVOKE, INVOKE_FOR_USER
from session_scoping.constructs.cdk.roles import require_changeable
from session_scoping.constructs.cdk.stack_context import StackContext, has_wildcard, is_token
from session_scoping.constructs.compute.role import ScopedComputeRole
from session_scoping.constructs.data.access import require_attribute
from session_scoping.constructs.session.role import SessionRole
from session_scoping.contract.errors import InvalidInputError

# As text, so that AgentCore is not loaded for its types.
AnyRuntime: TypeAlias = "cdk.aws_bedrockagentcore.IBedrockAgentRuntime | cdk.aws_bedrockagentcore.CfnRuntime | str"
AnyEndpoint: TypeAlias = "cdk.aws_bedrockagentcore.IRuntimeEndpoint | cdk.aws_bedrockagentcore.CfnRuntimeEndpoint | str"

# Each with its Sid. Source: service authorization reference, list_amazonbedrockagentcore.
_WORDS: Mapping[str, tuple[str, str]] = {
    "invoke": (INVOKE, "Dispatch"),
    "websocket": ("bedrock-agentcore:InvokeAgentRuntimeWithWebSocketStream", "DispatchStream"),
    "stop": ("bedrock-agentcore:StopRuntimeSession", "StopSessions"),
    "command": ("bedrock-agentcore:InvokeAgentRuntimeCommand", "RunCommands"),
    "shell": ("bedrock-agentcore:InvokeAgentRuntimeCommandShell", "OpenShells"),
}
_FOR_USER: Mapping[str, tuple[str, str]] = {
    "invoke": (INVOKE_FOR_USER, "DispatchForUser"),
    "websocket": ("bedrock-agentcore:InvokeAgentRuntimeWithWebSocketStreamForUser", "DispatchStreamForUser"),
}

DEFAULT_ENDPOINT = "DEFAULT"
"""The endpoint every runtime has. Source: AgentCore devguide, agent-runtime-versioning."""


def grant_dispatch(
    role: iam.IRole,
    runtime: AnyRuntime,
    *,
    endpoints: Sequence[AnyEndpoint] = (DEFAULT_ENDPOINT,),
    access: Sequence[str] = ("invoke",),
    for_user: bool = False,
) -> iam.Grant:
    """
    Let an orchestrator's role invoke a runtime, on the runtime and these endpoints.

    Each action has its own statement, so that one can be taken away without the others.

    NOT PROTECTED: InvokeAgentRuntimeForUser has no condition key, so a role that has it may name any user, and the
    runtime's agent then gets that user's tokens. It is for the one role that knows who the user is. `stop`, `command`
    and `shell` reach every session of the runtime: who runs a command in a task's microVM reads that task's
    credentials. Give them to the people who operate it rather than to the role that starts tasks.

    Args:
        role: The orchestrator's role. Never one that runs agent code.
        runtime: The L2 or L1 runtime, an import, or its ARN.
        endpoints: The endpoints: a construct, a name or an ARN each. Default: `DEFAULT`.
        access: What it may do: `invoke`, `websocket` (invoking by a WebSocket stream), `stop` (ending a session),
            `command` (running a command in a session) and `shell` (opening a shell there). Default: `invoke`.
        for_user: Whether it may say which user the task is for (`runtimeUserId`). Default: it may not; where callers
            send a JWT, it need not.

    Returns:
        The grant, of a statement for each action.

    Raises:
        InvalidInputError: The role cannot be changed or runs agent code, there is no endpoint, an ARN is a pattern, a
            word is unknown, or no word of `access` can name a user.

    Source:
        Service authorization reference, list_amazonbedrockagentcore: all these actions need runtime and endpoint.
    """
    chosen = _checked_words(access, for_user=for_user)
    require_attribute(role, "role_arn", what="a role", example='Role(self, "Dispatcher", ...)')
    require_orchestrator(role)
    require_changeable(role, StackContext.of(role))
    arns = _arns(runtime, endpoints)
    wanted = [_WORDS[word] for word in chosen] + [_FOR_USER[word] for word in chosen if for_user and word in _FOR_USER]
    first, *others = (_statement(role, action, sid, arns) for action, sid in wanted)
    return reduce(iam.Grant.combine, others, first)


def _checked_words(access: Sequence[str], *, for_user: bool) -> list[str]:
    chosen = [access] if isinstance(access, str) else list(dict.fromkeys(access))
    unknown = [word for word in chosen if word not in _WORDS]
    if unknown or not chosen:
        raise InvalidInputError(
            "`access` is not what grant_dispatch takes",
            got=f"`{unknown[0]}`" if unknown else "no word",
            expected=f"some of {', '.join(_WORDS)}",
            why="what the role may do to running tasks would be a guess",
            fix="name what it needs",
        )
    if for_user and not set(chosen) & set(_FOR_USER):
        raise InvalidInputError(
            "`for_user` has nothing to say a user to",
            got=f"access {', '.join(chosen)}",
            expected=f"{' or '.join(_FOR_USER)} among them",
            why="only an invocation names a user",
            fix="add `invoke`, or leave for_user out",
        )
    return chosen


def require_orchestrator(role: iam.IRole) -> None:
    """
    Refuse a role that agent code runs under.

    Raises:
        InvalidInputError: A SessionRole or a ScopedComputeRole, or the role inside one.
    """
    scope = role.node.scope if isinstance(role, iam.Role) else None
    if isinstance(role, SessionRole | ScopedComputeRole) or isinstance(scope, SessionRole | ScopedComputeRole):
        raise InvalidInputError(
            f"role `{role.node.path}` runs agent code and is no dispatcher",
            got="a SessionRole or a ScopedComputeRole",
            expected="the orchestrator's role",
            why="an agent that starts agents could start one for another user",
            fix="let the orchestrator start tasks",
        )


def _statement(role: iam.IRole, action: str, sid: str, arns: Sequence[str]) -> iam.Grant:
    grant = iam.Grant.add_to_principal(grantee=role, actions=[action], resource_arns=list(arns))
    for statement in grant.principal_statements:
        # INVARIANT: a statement with a Sid is not merged with its neighbour (minimizePolicies).
        statement.sid = sid
    return grant


def _arns(runtime: AnyRuntime, endpoints: Sequence[AnyEndpoint]) -> list[str]:
    listed = [] if isinstance(endpoints, str) else list(endpoints)
    arn = _runtime_arn(runtime)
    arns = [arn, *(_endpoint_arn(arn, endpoint) for endpoint in listed)]
    bad = [one for one in arns if has_wildcard(one) or not (is_token(one) or one.startswith("arn:"))]
    if bad or not listed:
        raise InvalidInputError(
            "that is not one runtime and its endpoints",
            got="an ARN with a wildcard or of another form" if bad else "no sequence of endpoints",
            expected="the runtime, and a sequence of endpoints, each by its construct, name or ARN",
            why="a pattern opens other agents, and IAM asks for the endpoint as well",
            fix='pass the constructs, or endpoints=["DEFAULT"]',
        )
    return arns


def _runtime_arn(runtime: AnyRuntime) -> str:
    if isinstance(runtime, str):
        return runtime
    if isinstance(runtime, cdk.aws_bedrockagentcore.CfnRuntime):
        return runtime.attr_agent_runtime_arn
    return runtime.agent_runtime_arn


def _endpoint_arn(runtime_arn: str, endpoint: AnyEndpoint) -> str:
    if isinstance(endpoint, str):
        whole = endpoint.startswith("arn:") or is_token(endpoint)
        return endpoint if whole else f"{runtime_arn}/runtime-endpoint/{endpoint}"
    if isinstance(endpoint, cdk.aws_bedrockagentcore.CfnRuntimeEndpoint):
        return endpoint.attr_agent_runtime_endpoint_arn
    return endpoint.agent_runtime_endpoint_arn
