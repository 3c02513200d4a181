"""Resources that no reader of their own reads, custom ones too: each touches nothing, or its names are in doubt."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from session_scoping.aws.actions import covers_unlisted, matching
from session_scoping.aws.effects import Effect, judgement
from session_scoping.verify.deployment.api_calls import CHANGES, changing_calls, role_giving_calls
from session_scoping.verify.deployment.copying import notice_backup, notice_copies, notice_handing_on
from session_scoping.verify.deployment.resource_types import is_policy, only_takes_away, policies_give_data, reading_of
from session_scoping.verify.deployment.workloads import runs_as, without_own_role
from session_scoping.verify.intrinsics import text_of
from session_scoping.verify.intrinsics.mentions import Mentions, mentions, references
from session_scoping.verify.intrinsics.scope import Scope, parts_of
from session_scoping.verify.patterns.naming import may_be_named
from session_scoping.verify.patterns.text import Text, Token, Unmodelled
from session_scoping.verify.policies.model import Deployment, Role, Statement, Store, Workload

# The services whose calls name a role, table, bucket or key in one of their parameters, always.
_OWN = {"role": "iam", "table": "dynamodb", "bucket": "s3", "key": "kms", "memory": "bedrock-agentcore"}


@dataclass(frozen=True)
class _Resource:
    """One resource, and everything that it may touch."""

    kind: str
    where: str
    properties: dict[str, Any]
    scope: Scope
    deployment: Deployment

    @cached_property
    def said(self) -> Mentions:
        """What its properties speak of."""
        return mentions(self.properties, self.scope)

    def doubt_roles(self, roles: list[Role], problem: str) -> None:
        for role in roles:
            role.problems += (f"{self.where}: {problem}",)

    def doubt_stores(self, touches: Callable[[Store], bool], problem: str) -> None:
        self.deployment.doubt(touches, lambda store: store.with_policy((), f"{self.where}: {problem}"))

    def doubt_workloads(self, concerns: Callable[[Workload], bool]) -> None:
        """Make the roles UNKNOWN of what it may give another role: what runs has that from then on."""
        roles = [one.role for one in self.deployment.workloads if concerns(one)]
        run = [role for role in self.deployment.roles.values() if any(map(partial(runs_as, role), roles))]
        self.doubt_roles(run, "what runs with it may be given another role")

    def roles(self) -> list[Role]:
        """Return the roles and users that it names."""
        return [role for role in self.deployment.principals if self.said.of(role)]


def notice_other_policies(scope: Scope, deployment: Deployment) -> None:
    """Make a role or a store UNKNOWN that a resource may touch which nothing else reads."""
    for logical_id, body in scope.resources.items():
        kind = str(body.get("Type", ""))
        where = f"{scope.name}.{logical_id}"
        reading = reading_of(kind)
        if kind == "AWS::S3::AccessGrant":
            _notice_access_grant(scope.properties(logical_id), scope, deployment, where)
        if kind == "AWS::Backup::BackupSelection":
            notice_backup(logical_id, scope, deployment)
            continue
        if reading.group == "read":
            of_memories = (s.where for store in deployment.of_kind("memory") for s in store.policy)
            known = kind == "AWS::BedrockAgentCore::ResourcePolicy" and any(
                one.startswith(f"{where}[") for one in of_memories
            )
            if kind == "AWS::S3::AccessGrant" or (kind == "AWS::BedrockAgentCore::ResourcePolicy" and not known):
                _notice_policies(_Resource(kind, where, scope.properties(logical_id), scope, deployment), every=True)
            continue
        one = _Resource(kind, where, without_token(scope.properties(logical_id)), scope, deployment)
        _notice_calls(one)
        if is_custom(kind):
            _notice_custom(one, logical_id)
        elif reading.group == "copies":
            notice_copies(one.properties, reading.to, scope, deployment, where)
        elif reading.group == "doubt" or reading.names or _runs_automation(one):
            _notice_unlisted(one)
        if kind.startswith("AWS::") and not only_takes_away(kind):
            _notice_policies(one, every=is_policy(kind))


def _runs_automation(one: _Resource) -> bool:
    """Whether something starts an automation of Systems Manager, whose steps need not be in the template."""
    starts = re.search("automation-definition|startAutomationExecution|sendCommand", one.said.text, re.IGNORECASE)
    return reading_of(one.kind).group == "calls" and starts is not None


def _notice_unlisted(one: _Resource) -> None:
    """Make UNKNOWN what a type names that nobody has reviewed; everything, where a name may be any."""
    listed = reading_of(one.kind)
    problem = f"what {one.kind} does with it is not known"
    anything = not listed.listed and one.said.may_name_anything
    one.doubt_roles(one.deployment.principals if anything else one.roles(), problem)
    one.doubt_stores(lambda store: anything or one.said.of(store), problem)


def _notice_custom(one: _Resource, logical_id: str) -> None:
    """
    Make UNKNOWN the roles that a custom resource is handed, and the stores that it is handed for a policy or a copy.

    One that is known for what it does, or whose function may change nothing, is handed what it likes.
    """
    policy = hands_on_policy(one.said.text)
    known = reading_of(one.kind).group in {"harmless", "calls"} and not policy
    if known or may_change_nothing(logical_id, one.scope, one.deployment):
        return
    unclear = f"what {one.kind} does with it is not known"
    roles = one.deployment.principals if policy and one.said.may_name_anything else one.roles()
    one.doubt_roles(roles, "it changes roles when it deploys" if policy else unclear)
    if any(role.kind == "role" for role in roles):
        one.doubt_workloads(lambda workload: one.said.of_resource(workload.id))
    if policy or hands_on_data(one.kind, one.said.text, one.scope.account):
        one.doubt_stores(one.said.of, unclear)


def _notice_calls(one: _Resource) -> None:
    """Make UNKNOWN what a resource's API calls change or copy; everything of a kind where they may mean any."""
    if reading_of(one.kind).group not in {"calls", "doubt"} and not is_custom(one.kind):
        return
    notice_handing_on(one.said, one.scope, one.deployment, one.where)
    calls = changing_calls(one.said.text)
    giving = role_giving_calls(mentions(without_own_role(one.properties), one.scope).text)
    one.doubt_workloads(lambda workload: workload.type.split("::")[1].lower() in giving)
    when = "when it deploys" if is_custom(one.kind) else "when it runs"
    for kind, services in calls.items():
        if kind == "role":
            meant = one.deployment.principals if "iam" in services and one.said.is_open else one.roles()
            one.doubt_roles(meant, f"it changes roles {when}")
            continue
        own = _OWN[kind] in services
        any_of_kind = own and (one.said.is_open or not any(map(one.said.of, one.deployment.of_kind(kind))))
        touches = partial(_touches, kind, None if any_of_kind else one.said)
        one.doubt_stores(touches, f"it changes who may use this {kind}, or copies it, {when}")


def _touches(kind: str, said: Mentions | None, store: Store) -> bool:
    return store.kind == kind and (said is None or said.of(store))


def _notice_policies(one: _Resource, *, every: bool) -> None:
    """Make a role UNKNOWN that a policy of another service names; note a policy that lets everybody in."""
    for name, written in one.properties.items():
        if not every and "polic" not in name.lower():
            continue
        value = _without_denies(written)
        if _lets_everybody_in(value):
            one.scope.notes.add(
                f"{one.where} ({one.kind}) lets everybody in, sessions too: no tenant data is behind it"
            )
        if one.kind == "AWS::SecretsManager::ResourcePolicy" and name == "ResourcePolicy" and not _is_empty(value):
            one.doubt_stores(
                lambda store: store.kind == "secrets", "whose secret it opens, and to whom, is not modelled"
            )
        said, problem = mentions(value, one.scope), f"{one.where}: policies of {one.kind} are not modelled"
        for role in (role for role in one.deployment.principals if said.of(role)):
            if policies_give_data(one.kind):
                role.problems += (problem,)
            else:
                role.unmodelled_grants += (problem,)


def _without_denies(value: Any) -> Any:
    """Return a policy without the statements that only take away."""
    if not isinstance(value, dict) or value.get("Effect") == "Deny":
        return {} if isinstance(value, dict) else value
    statements = value.get("Statement")
    if isinstance(statements, dict):
        return {**value, "Statement": _without_denies(statements)}
    if not isinstance(statements, list):
        return value
    kept = [one for one in statements if not (isinstance(one, dict) and one.get("Effect") == "Deny")]
    return {**value, "Statement": kept}


def _is_empty(value: Any) -> bool:
    """Whether nothing is left of a policy; one that is computed may say anything."""
    return isinstance(value, dict) and value.keys() <= {"Version", "Id", "Statement"} and not value.get("Statement")


def _lets_everybody_in(value: Any) -> bool:
    """Whether an Allow for everybody stands anywhere in a part of a template."""
    allows = (part for part in parts_of(value) if isinstance(part, dict) and part.get("Effect") == "Allow")
    return any(part.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]}) for part in allows)


def _notice_access_grant(properties: dict[str, Any], scope: Scope, deployment: Deployment, where: str) -> None:
    """Make the buckets UNKNOWN whose objects an access grant may give away."""
    name = _bucket_of_location(properties.get("AccessGrantsLocationId"), scope)
    for store in deployment.of_kind("bucket"):
        if name is None or may_be_named(name, store.name, store.id):
            deployment.stores[store.id] = store.with_policy((), f"{where}: access grants are not modelled")


def _bucket_of_location(value: Any, scope: Scope) -> Text | None:
    """Return the bucket of an access grant's location; None when it may be any."""
    attribute = value.get("Fn::GetAtt") if isinstance(value, dict) else None
    logical_id = attribute[0] if isinstance(attribute, list) and attribute else None
    logical_id = value.get("Ref", logical_id) if isinstance(value, dict) else None
    if not isinstance(logical_id, str) or logical_id not in scope.resources:
        return None
    text = text_of(scope.properties(logical_id).get("LocationScope", ""), scope)
    if isinstance(text, Unmodelled) or not text or not isinstance(text[0], str) or not text[0].startswith("s3://"):
        return None
    name: list[str | Token] = []
    for part in (text[0].removeprefix("s3://"), *text[1:]):
        before, slash, _ = part.partition("/") if isinstance(part, str) else (part, "", "")
        name += [before] if before else []
        if slash:
            break
    is_open = any("*" in part if isinstance(part, str) else part.kind == "free" for part in name)
    return None if is_open or not name else tuple(name)


_CUSTOM = "AWS::CloudFormation::CustomResource"
# Everything a function changes roles, tables, buckets and keys by, or hands on to another function.
_SERVICES = ("cloudformation", "dynamodb", "iam", "kms", "lambda", "s3", "states", "sts")
_KINDS = ("iam:role", "iam:policy", "dynamodb:table", "s3:bucket", "s3:object", "kms:key", "lambda:function")
# Keys and texts of a policy, in whatever letter case, JSON text within a string too.
_POLICY = re.compile(
    r'"\w*(?<!removal)(?<!deletion)(?<!retention)(?<!replace)polic(?:y|ies)\w*\\*"\s*:|"\w*statements?\\*"\s*:'
    r"|arn:[^:\"]*:iam::[^:\"]*:policy/",
    re.IGNORECASE,
)
_LETS_IN = re.compile("principal|grant|shar(?:e|ing)|public|acl|replic|export|copy|copies|backup|mirror", re.IGNORECASE)
_EFFECT = re.compile(r'"effect\\*"\s*:|\ballow\b', re.IGNORECASE)
_ACTION = re.compile(r'"(?:not_?)?actions?\\*"\s*:', re.IGNORECASE)


def is_custom(kind: str) -> bool:
    """Whether a resource type is somebody's own, whose function or handler decides what it does."""
    return not kind.startswith("AWS::") or kind == _CUSTOM


def without_token(properties: dict[str, Any]) -> dict[str, Any]:
    """Return what a custom resource is given; the function that takes it is none of what it is about."""
    return {name: item for name, item in properties.items() if name != "ServiceToken"}


def hands_on_policy(text: str) -> bool:
    """Whether a text holds a policy, statements of one, or names one."""
    return _POLICY.search(text) is not None or bool(_EFFECT.search(text) and _ACTION.search(text))


def hands_on_data(kind: str, text: str, account: str) -> bool:
    """Whether a type or what it is given speaks of letting somebody in, of a copy, or of another account."""
    others = set(re.findall(r"(?<!\d)\d{12}(?!\d)", text)) - {account}
    return bool(others) or _LETS_IN.search(f"{kind} {text}") is not None


def may_change_nothing(logical_id: str, scope: Scope, deployment: Deployment) -> bool:
    """Whether a custom resource's function stands in the template, with a role that may change and copy nothing."""
    functions = list(references(scope.properties(logical_id).get("ServiceToken"), scope))
    if len(functions) != 1:
        return False
    function = functions[0].rpartition(".")[2]
    if scope.resources[function].get("Type") != "AWS::Lambda::Function":
        return False
    roles = [deployment.roles.get(one) for one in references(scope.properties(function).get("Role"), scope)]
    return len(roles) == 1 and roles[0] is not None and _changes_nothing(roles[0])


def _changes_nothing(role: Role) -> bool:
    return not role.problems and not any(_changes(one) for one in role.identity if one.allow)


def _changes(statement: Statement) -> bool:
    if statement.problem or statement.actions is None:
        return True
    return any(_is_change(pattern) for pattern in statement.actions)


def _is_change(pattern: str) -> bool:
    if covers_unlisted(pattern) and (pattern.startswith("*") or pattern.partition(":")[0].lower() in _SERVICES):
        return True
    wanted = CHANGES | {Effect.ASK}
    return any(judgement(one.name).on(kind) & wanted for one in matching(pattern, _SERVICES) for kind in _KINDS)
