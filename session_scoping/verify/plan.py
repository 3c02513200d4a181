"""Which properties there are to prove of a deployment, each as a step that can be run by itself."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from session_scoping.contract.metadata import ATTRIBUTED_TO, BOUND_TO
from session_scoping.verify.patterns.text import Text, show
from session_scoping.verify.policies.decision import session_policy_of
from session_scoping.verify.policies.model import Deployment, Role
from session_scoping.verify.policies.statement_queries import token_minting_mode
from session_scoping.verify.properties.agents.asking import asked, handed_to, prove_asked
from session_scoping.verify.properties.agents.compute import RULE as COMPUTE
from session_scoping.verify.properties.agents.compute import prove_compute
from session_scoping.verify.properties.agents.compute_roles import ComputeRoles, find_compute_roles
from session_scoping.verify.properties.agents.token_minting import RULE as TOKENS
from session_scoping.verify.properties.agents.token_minting import prove_token_minting
from session_scoping.verify.properties.agents.unplaced import prove_unplaced, unplaced
from session_scoping.verify.properties.base import Proof
from session_scoping.verify.properties.memory import RULE as MEMORY
from session_scoping.verify.properties.memory import beside as beside_memory
from session_scoping.verify.properties.memory import kept_in, memories_of, prove_memory
from session_scoping.verify.properties.outside.external_access import RULE as STRANGERS
from session_scoping.verify.properties.outside.external_access import TENANT_DATA, prove_no_strangers
from session_scoping.verify.properties.outside.external_trust import door_of, prove_door
from session_scoping.verify.properties.promises import ATTRIBUTION, BINDING, prove_attribution, prove_workload_binding
from session_scoping.verify.properties.resource_tags import taggers_of
from session_scoping.verify.properties.sessions.allowed_actions import RULE as ACTIONS
from session_scoping.verify.properties.sessions.allowed_actions import prove_allowed_actions
from session_scoping.verify.properties.sessions.cross_role import (
    CHAINING,
    named_alike,
    neighbours_of,
    prove_beside,
    prove_no_chaining,
)
from session_scoping.verify.properties.sessions.derivation import RULE as DERIVATION
from session_scoping.verify.properties.sessions.derivation import prove_derivation, tool_of
from session_scoping.verify.properties.sessions.isolation import prove_shared, rule_of
from session_scoping.verify.properties.sessions.masked_grants import RULE as MASKED
from session_scoping.verify.properties.sessions.masked_grants import prove_compute_grants, prove_session_grants
from session_scoping.verify.properties.sessions.revocation import RULE as REVOCATION
from session_scoping.verify.properties.sessions.revocation import promises_revocation, prove_revocation
from session_scoping.verify.properties.sessions.session_policy import RULE as POLICY
from session_scoping.verify.properties.sessions.session_policy import prove_session_policy
from session_scoping.verify.properties.sessions.session_tags import RULE as TAGS
from session_scoping.verify.properties.sessions.session_tags import prove_session_tags
from session_scoping.verify.properties.sessions.token_vault import RULE as VAULT
from session_scoping.verify.properties.sessions.token_vault import find_vault_roles, prove_token_vault, without_tags
from session_scoping.verify.properties.sessions.work import RULE as WORK
from session_scoping.verify.properties.sessions.work import prove_work_possible
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import Options, SessionScope, find_session_roles, scope_of, stores_of
from session_scoping.verify.scoping.principals import keys_in_use
from session_scoping.verify.scoping.stores import with_copies
from session_scoping.verify.steps import Plan, Step, known, run, step_of
from session_scoping.verify.symbolic.conditions import UnmodelledError

_PROMISES = (
    (ATTRIBUTED_TO, ATTRIBUTION, prove_attribution),
    (BOUND_TO, BINDING, prove_workload_binding),
)


def plan(deployment: Deployment, options: Options) -> Plan:
    """Return every property to prove; running the steps until one fails is enough for some callers."""
    scoped = [scope_of(role, deployment, options) for role in find_session_roles(deployment, options)]
    compute = find_compute_roles(deployment, scoped, options)
    promised = list(_promise_steps(deployment, options))
    steps = [
        *([] if scoped or promised else [_nothing(deployment)]),
        *(step for item in scoped for step in _session_steps(deployment, item, scoped, options)),
        *promised,
        *_tool_steps(deployment, options),
        *_token_steps(deployment, scoped, compute),
        *_compute_steps(deployment, scoped, compute, options),
        *_unplaced_steps(deployment, scoped, compute, options),
        *_asking_steps(deployment, scoped, compute, options),
        *_stranger_steps(deployment, scoped, options),
        *_vault_steps(deployment, scoped, compute.roles, options),
    ]
    return Plan(tuple(steps), tuple(compute.notes), tuple(scoped))


def _nothing(deployment: Deployment) -> Step:
    detail = f"none of the {len(deployment.roles)} roles is assumed with session tags, so there is nothing to prove"
    return known(Result("session-roles", "the templates", Status.VACUOUS, detail))


def _session_steps(
    deployment: Deployment, item: SessionScope, scoped: Sequence[SessionScope], options: Options
) -> Iterator[Step]:
    taggers = taggers_of(deployment, options.trusted)
    granted = Counter(store.id for one in scoped for store in one.stores)
    several = frozenset(store for store, count in granted.items() if count > 1)
    proof = Proof(deployment, item, options.allow, taggers, several)
    trusts = [(role.id, role.label, role.arn, role.trust, role.metadata) for role in deployment.roles.values()]

    def step(rule: str, attempt: Callable[[], Result], subject: str = item.role.label) -> Step:
        return step_of(deployment, item.role, rule, attempt, (item, trusts, deployment.of_kind("key")), subject)

    yield step(TAGS, partial(prove_session_tags, proof))
    beside = {
        store.id: [Proof(deployment, neighbour) for neighbour in neighbours_of(item, scoped, store)]
        for store in item.stores
    }
    near = [one.scoped for proofs in beside.values() for one in proofs]
    for store in item.stores:
        rule = rule_of(store)
        alike = next(named_alike(item, scoped, store), None)
        attempt = partial(prove_beside, proof, beside[store.id], store, alike)
        sharing = [one.scoped for one in beside[store.id]]
        reads = (item, trusts, deployment.of_kind("key"), sharing, taggers, store.id in several)
        yield step_of(deployment, item.role, rule, attempt, reads, f"{item.role.label} → {store.label}")
    for store in item.shared:
        rule = rule_of(store)
        subject = f"{item.role.label} → {store.label}"
        yield step_of(deployment, item.role, rule, partial(prove_shared, proof, store), (deployment,), subject)
    beside[MEMORY] = [Proof(deployment, one) for one in beside_memory(item, scoped, deployment)]
    near += [one.scoped for one in beside[MEMORY]]
    if memories := memories_of(item.role, deployment):
        attempt = partial(prove_memory, proof, beside[MEMORY])
        yield step_of(deployment, item.role, MEMORY, attempt, (item, trusts, memories, near))
    yield step(ACTIONS, partial(prove_allowed_actions, proof))
    yield step(CHAINING, partial(prove_no_chaining, proof))
    if not options.masked_grants:
        attempt = partial(prove_session_grants, proof, beside)
        yield step_of(
            deployment,
            item.role,
            MASKED,
            attempt,
            (item, trusts, [*deployment.of_kind("key"), *deployment.of_kind("memory")], near, taggers, several),
        )
    if promises_revocation(item.role):
        yield step(REVOCATION, partial(prove_revocation, proof))
    yield step(WORK, partial(prove_work_possible, proof))
    for text in options.session_policies:
        yield step(POLICY, partial(_prove_policy, proof, text))


def _tool_steps(deployment: Deployment, options: Options) -> Iterator[Step]:
    """Yield what is asked of every role that says it is a tool: other properties leave it to that, tags or not."""
    for role in deployment.roles.values():
        if (owner := tool_of(role)) is not None:
            yield step_of(
                deployment, role, DERIVATION, partial(_prove_tool, deployment, role, owner, options), (deployment,)
            )


def _prove_policy(proof: Proof, text: str) -> Result:
    return prove_session_policy(proof, session_policy_of(text))


def _prove_tool(deployment: Deployment, tool: Role, owner: Text, options: Options) -> Result:
    session_role = deployment.role_by_arn(owner)
    if session_role is None:
        raise UnmodelledError(f"{show(owner)}, whose tool it is, is not in these templates")
    return prove_derivation(Proof(deployment, scope_of(session_role, deployment, options)), tool)


def _promise_steps(deployment: Deployment, options: Options) -> Iterator[Step]:
    """Yield what roles promise of their sessions in their Metadata, session tags or not."""
    tagged = {role.id for role in find_session_roles(deployment, options)}
    for role in deployment.roles.values():
        found = [(rule, prove) for key, rule, prove in _PROMISES if key in role.metadata]
        if promises_revocation(role) and role.id not in tagged:
            found.append((REVOCATION, prove_revocation))
        for rule, prove in found:
            proof = Proof(deployment, scope_of(role, deployment, options), options.allow)
            yield step_of(deployment, role, rule, partial(prove, proof), (deployment,))


def _token_steps(deployment: Deployment, scoped: Sequence[SessionScope], compute: ComputeRoles) -> Iterator[Step]:
    for item in (item for item in scoped if token_minting_mode(item.role)):
        tools = [tool for tool in scoped if tool_of(tool.role) == item.role.arn]
        attempt = partial(prove_token_minting, deployment, item, list(compute.roles), tools)
        yield step_of(deployment, item.role, TOKENS, attempt, (deployment,))


def _compute_steps(
    deployment: Deployment, scoped: Sequence[SessionScope], compute: ComputeRoles, options: Options
) -> Iterator[Step]:
    stores = with_copies(stores_of(scoped), deployment)
    proofs = [(COMPUTE, prove_compute), *([] if options.masked_grants else [(MASKED, prove_compute_grants)])]
    judged = tuple(role.arn for role in compute.roles if role.id not in compute.perhaps_brokers)
    for role in compute.roles:
        perhaps = role.id in compute.perhaps_brokers
        for rule, prove in proofs:
            attempt = partial(
                prove, deployment, role, stores, perhaps_broker=perhaps, judged=judged, trusted=options.trusted
            )
            attempt = partial(_by_service, attempt) if role.id in compute.by_service else attempt
            reads = (
                role,
                stores,
                perhaps,
                judged,
                role.id in compute.by_service,
                options.trusted,
                deployment.role_arns,
            )
            yield step_of(deployment, role, rule, attempt, reads)
    for role in compute.escapes:
        detail = "it mints sessions, and agent code that is kept from minting may become it"
        yield known(Result(COMPUTE, role.label, Status.UNKNOWN, detail, location=role.id))
    for role in compute.beside:
        detail = "it mints sessions while another role mints for agents, and may run agents itself"
        detail += ", which would choose any tags; --compute-role names the roles that run agents"
        yield known(Result(COMPUTE, role.label, Status.UNKNOWN, detail, location=role.id))
    for text in compute.outside:
        detail = "it may mint sessions, and what else it may do is not in these templates"
        detail += (
            f"; --trusted {show(text)} says that it reaches no tenant data, --compute-role who runs agents instead"
        )
        yield known(Result(COMPUTE, show(text), Status.UNKNOWN, detail))


def _unplaced_steps(
    deployment: Deployment, scoped: Sequence[SessionScope], compute: ComputeRoles, options: Options
) -> Iterator[Step]:
    stores = with_copies(stores_of(scoped), deployment)
    for role, why in unplaced(deployment, scoped, compute, options) if scoped else ():
        attempt = partial(prove_unplaced, deployment, role, why, stores, options.trusted)
        yield step_of(deployment, role, COMPUTE, attempt, (deployment,))


def _asking_steps(
    deployment: Deployment, scoped: Sequence[SessionScope], compute: ComputeRoles, options: Options
) -> Iterator[Step]:
    stores = with_copies(stores_of(scoped), deployment)
    agents = {role.id for role in compute.roles}
    for caller in compute.roles if scoped else ():
        for workload, role in asked(caller, deployment, scoped, options):
            if role.id not in agents:  # what runs with an agent's role is judged as agent code
                attempt = partial(prove_asked, deployment, workload, role, caller, scoped, stores, options)
                yield step_of(deployment, caller, COMPUTE, attempt, (deployment,))
        yield from (known(result) for result in handed_to(caller, deployment, stores, options))


def _by_service(attempt: Callable[[], Result]) -> Result:
    """Say of a role that fails why it is taken for an agent's, when nothing but its service says so."""
    result = attempt()
    if result.status is Status.PROVED:
        return result
    return replace(result, detail=f"{result.detail} (by its service it runs agents; --compute-role says which do)")


def _stranger_steps(deployment: Deployment, scoped: Sequence[SessionScope], options: Options) -> Iterator[Step]:
    data = with_copies(stores_of(scoped), deployment)
    stores = [*data, *keys_in_use(deployment, scoped), *kept_in(deployment, (item.role for item in scoped))]
    for role in (
        role for role in deployment.roles.values() if scoped and role.id not in {one.role.id for one in scoped}
    ):
        if door := door_of(role, deployment, options.trusted):
            attempt = partial(prove_door, door, role, deployment, scoped, data, options)
            yield step_of(deployment, role, STRANGERS, attempt, (deployment,))
    if stores:
        keys = {store.id: [p for item in scoped for p in item.formats.get(store.id, ())] for store in stores}
        attempt = partial(prove_no_strangers, deployment, stores, options.trusted, keys)
        attempt = partial(run, attempt, STRANGERS, TENANT_DATA, "", deployment.problems)
        yield Step(STRANGERS, TENANT_DATA, attempt, (stores, deployment.accounts, deployment.problems))


def _vault_steps(
    deployment: Deployment, scoped: Sequence[SessionScope], compute: Sequence[Role], options: Options
) -> Iterator[Step]:
    """Yield what each role takes from AgentCore's token vault; nothing is said of roles that take nothing."""
    sessions = {item.role.id: item for item in scoped}
    for role in find_vault_roles(deployment, [*(item.role for item in scoped), *compute]):
        item = sessions.get(role.id)
        proof = Proof(deployment, item, options.allow) if item else without_tags(deployment, role)
        runs_agents = item is not None or role in compute
        attempt = partial(prove_token_vault, proof, admitted=item is not None, runs_agents=runs_agents)
        yield step_of(deployment, role, VAULT, attempt, (deployment,))
