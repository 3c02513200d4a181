# ruff: noqa: E501 - tables of cases
"""Concrete requests around a template: what its roles may do, to see what a change opens."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from session_scoping.verify.binding import Binding
from session_scoping.verify.collecting import collect
from session_scoping.verify.decision import PolicySet, Request, decide
from session_scoping.verify.model import Estate, Role, Statement, Store
from session_scoping.verify.scope import Scope
from session_scoping.verify.template import link
from tests.verify.simulator import simulation

CALLER = "arn:aws:iam::111122223333:role/minter"
STRANGER = "arn:aws:iam::111122223333:role/stranger"


@dataclass(frozen=True)
class Probe:
    """One request with the policies that decide it."""

    name: str
    request: Request
    policies: PolicySet

    @property
    def allowed(self) -> bool:
        """Whether `decide` lets it through."""
        return decide(self.request, self.policies).allowed

    def simulation(self) -> dict[str, Any]:
        """Return the same question for the simulator; resource policies are asked as identity policies."""
        statements = [*self.policies.identity, *self.policies.resource]
        document = {"Version": "2012-10-17", "Statement": [_body(statement) for statement in statements]}
        context = dict(self.request.context.items())
        return simulation(self.request.action, self.request.resource, context, [document])


def _body(statement: Statement) -> dict[str, Any]:
    body: dict[str, Any] = {"Effect": "Allow" if statement.allow else "Deny"}
    if statement.actions is not None:
        body["Action"] = list(statement.actions)
    else:
        body["NotAction"] = list(statement.not_actions)
    if statement.any_resource:
        body["Resource"] = "*"
    elif statement.resources is not None:
        body["Resource"] = ["".join(map(str, text)) for text in statement.resources]
    else:
        body["NotResource"] = ["".join(map(str, text)) for text in statement.not_resources]
    block: dict[str, dict[str, list[str]]] = {}
    for condition in statement.conditions:
        block.setdefault(condition.operator, {})[condition.key] = ["".join(map(str, text)) for text in condition.values]
    return {**body, "Condition": block} if block else body


def estate_of(template: dict[str, Any]) -> Estate:
    """Return the estate of one template."""
    return collect(link([Scope("S", template)]))


def probes(template: dict[str, Any]) -> Iterator[Probe]:
    """Yield requests of sessions, compute roles and strangers against a template."""
    estate = estate_of(template)
    binding = Binding()
    for role in estate.roles.values():
        uses_tags = any(c.key.lower().startswith("aws:requesttag/") for s in role.trust for c in s.conditions)
        if uses_tags or "TagSession" in str(role.trust):
            yield from _mints(role, binding)
            for tags in _sessions():
                yield from _calls(role, tags, estate, binding)
        else:
            yield from _calls(role, {}, estate, binding)


def _sessions() -> list[dict[str, str]]:
    return [{"user_id": "u1", "repo": "r1", "task_id": "T1"}]


def _mints(role: Role, binding: Binding) -> Iterator[Probe]:
    good = {"user_id": "u1", "repo": "r1", "task_id": "T1"}
    variants: dict[str, tuple[dict[str, str], list[str]]] = {"good": (good, []), "untagged": ({}, [])}
    for key in good:
        variants[f"without {key}"] = ({k: v for k, v in good.items() if k != key}, [])
        for value in ("", "a/b", "..", "."):
            variants[f"{key}={value!r}"] = ({**good, key: value}, [])
    variants["extra tag"] = ({**good, "extra": "x"}, [])
    variants["transitive"] = (good, ["task_id"])
    trust, arn = binding.statements(role.trust), binding.text(role.arn)
    principals = [
        STRANGER,
        arn,
        *dict.fromkeys("".join(map(str, t)) for s in trust for k, t in s.principals if k == "AWS"),
    ]
    for (name, (tags, passed_on)), principal in product(variants.items(), principals):
        context: dict[str, Any] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
        context |= {"aws:TagKeys": list(tags)} if tags else {}
        context |= {"sts:TransitiveTagKeys": passed_on} if passed_on else {}
        if not principal.startswith("arn:"):
            continue
        for action in ("sts:AssumeRole", "sts:TagSession") if tags else ("sts:AssumeRole",):
            request = Request(action, arn, context, principal=principal)
            named = tuple(s for s in trust if _names(s, principal))
            yield Probe(f"{principal} {action} {name}", request, PolicySet(resource=named))


def _names(statement: Statement, principal: str) -> bool:
    return any(kind == "*" or "".join(map(str, text)) == principal for kind, text in statement.principals)


def _calls(role: Role, tags: dict[str, str], estate: Estate, binding: Binding) -> Iterator[Probe]:
    identity = binding.statements(role.identity)
    principal = binding.text(role.arn)
    base: dict[str, Any] = {f"aws:PrincipalTag/{key}": value for key, value in tags.items()}
    for store in estate.stores.values():
        policy = tuple(s for s in binding.statements(store.policy) if _names(s, principal))
        for action, resource, more in _on_store(store, binding):
            request = Request(action, resource, {**base, **more}, principal=principal, session_name="one")
            yield Probe(f"{role.id} {tags} {action} {resource} {more}", request, PolicySet(identity, resource=policy))
    for action, resource, more in _elsewhere():
        request = Request(action, resource, {**base, **more}, principal=principal, session_name="one")
        yield Probe(f"{role.id} {tags} {action} {resource} {more}", request, PolicySet(identity))


def _on_store(store: Store, binding: Binding) -> Iterator[tuple[str, str, dict[str, Any]]]:
    arn = binding.text(store.arn)
    if store.kind == "table":
        actions = ("GetItem", "Query", "PutItem", "UpdateItem", "ConditionCheckItem", "Scan", "PartiQLSelect",
                   "DescribeTable", "ExportTableToPointInTime", "BatchGetItem", "GetRecords")  # fmt: skip
        keys: list[dict[str, Any]] = [{}]
        keys += [{"dynamodb:LeadingKeys": values} for values in (["T1"], ["T3"], ["T1", "T3"], ["u1"], ["shared"])]
        for action, more, suffix in product(actions, keys, ("", "/index/by-user", "/stream/1")):
            yield f"dynamodb:{action}", arn + suffix, more
    if store.kind == "bucket":
        objects = ("traces/u1/T1/x", "traces/u1/T3/x", "traces/u2/T1/x", "traces/u1/T1.jsonl.gz", "traces/u1/T10/x",
                   "artifacts/T1/x", "artifacts/T3/x", "attachments/u1/T1/x", "attachments/u2/T1/x", "attachments/u1/T3/x",
                   "artifacts/T10/x", "other/x", "artifacts/u1/x", "traces/u1/u1/x", "artifacts/T1x/y")  # fmt: skip
        for action, key in product(("GetObject", "PutObject", "GetObjectVersion", "PutObjectAcl"), objects):
            yield f"s3:{action}", f"{arn}/{key}", {}
        for action in ("ListBucket", "PutBucketPolicy"):
            yield f"s3:{action}", arn, {}


def _elsewhere() -> Iterator[tuple[str, str, dict[str, Any]]]:
    yield "iam:PutRolePolicy", "arn:aws:iam::111122223333:role/zz", {}
    yield "sts:AssumeRole", "arn:aws:iam::111122223333:role/zz", {}
    yield "secretsmanager:GetSecretValue", "arn:aws:secretsmanager:us-east-1:111122223333:secret:zz", {}
    model = "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-sonnet-4-6"
    other = "arn:aws:bedrock:us-east-1::foundation-model/zz"
    for resource in (model, other):
        yield "bedrock:InvokeModel", resource, {}
        yield (
            "bedrock:InvokeModel",
            resource,
            {"bedrock:InferenceProfileArn": "arn:aws:bedrock:us-east-1:1:inference-profile/zz"},
        )
    yield "bedrock:CreateModelCustomizationJob", other, {}


def allowed_names(template: dict[str, Any]) -> frozenset[str]:
    """Return the names of the requests a template allows."""
    return frozenset(probe.name for probe in probes(template) if _safely(probe))


def opened(before: frozenset[str], after: dict[str, Any]) -> Probe | None:
    """Return a request that a changed template allows and the original did not, or None."""
    return next((probe for probe in probes(after) if probe.name not in before and _safely(probe)), None)


def _safely(probe: Probe) -> bool:
    try:
        return probe.allowed
    except Exception:
        # An operator IAM does not know: no deployable policy, so nothing it could open.
        return False
