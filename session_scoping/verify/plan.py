"""Which properties there are to prove of a deployment, each as a step that can be run by itself."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from session_scoping.contract.metadata import ATTRIBUTED_TO, BOUND_TO
from session_scoping.verify.documents import session_policy_of
from session_scoping.verify.infer import Options, Scoped, find_session_roles, scope_of, stores_of
from session_scoping.verify.keys import keys_in_use
from session_scoping.verify.model import Estate, Role
from session_scoping.verify.properties.allowed_actions import RULE as ACTIONS
from session_scoping.verify.properties.allowed_actions import prove_allowed_actions
from session_scoping.verify.properties.asking import asked, prove_asked
from session_scoping.verify.properties.attribution import RULE as ATTRIBUTION
from session_scoping.verify.properties.attribution import prove_attribution
from session_scoping.verify.properties.base import Proof, guarded
from session_scoping.verify.properties.chaining import RULE as CHAINING
from session_scoping.verify.properties.chaining import prove_no_chaining
from session_scoping.verify.properties.compute import RULE as COMPUTE
from session_scoping.verify.properties.compute import prove_compute
from session_scoping.verify.properties.compute_roles import ComputeRoles, find_compute_roles
from session_scoping.verify.properties.derivation import RULE as DERIVATION
from session_scoping.verify.properties.derivation import prove_derivation, tool_of
from session_scoping.verify.properties.doors import door_of, prove_door
from session_scoping.verify.properties.handing import handed_to
from session_scoping.verify.properties.isolation import OBJECTS, PARTITION, prove_shared
from session_scoping.verify.properties.masked import RULE as MASKED
from session_scoping.verify.properties.masked import prove_compute_grants, prove_session_grants
from session_scoping.verify.properties.neighbours import named_alike, neighbours_of, prove_beside
from session_scoping.verify.properties.revocation import RULE as REVOCATION
from session_scoping.verify.properties.revocation import promises_revocation, prove_revocation
from session_scoping.verify.properties.session_policy import RULE as POLICY
from session_scoping.verify.properties.session_policy import prove_session_policy
from session_scoping.verify.properties.session_tags import RULE as TAGS
from session_scoping.verify.properties.session_tags import prove_session_tags
from session_scoping.verify.properties.strangers import RULE as STRANGERS
from session_scoping.verify.properties.strangers import TENANT_DATA, prove_no_strangers
from session_scoping.verify.properties.token_minting import RULE as TOKENS
from session_scoping.verify.properties.token_minting import prove_token_minting
from session_scoping.verify.properties.token_vault import RULE as VAULT
from session_scoping.verify.properties.token_vault import find_vault_roles, prove_token_vault, without_tags
from session_scoping.verify.properties.unplaced import prove_unplaced, unplaced
from session_scoping.verify.properties.work import RULE as WORK
from session_scoping.verify.properties.work import prove_work_possible
from session_scoping.verify.properties.workload_binding import RULE as BINDING
from session_scoping.verify.properties.workload_binding import prove_workload_binding
from session_scoping.verify.reach import mode_of
from session_scoping.verify.report import Result, Status
from session_scoping.verify.stores import with_copies
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.text import Text, show

_PROMISES = (
    (ATTRIBUTED_TO, ATTRIBUTION, prove_attribution),
    (BOUND_TO, BINDING, prove_workload_binding),
)


_OF_COMPUTE = {COMPUTE, MASKED}
"""Properties that ask for tenant data alone: what other services let a role do besides does not count there."""


@dataclass(frozen=True)
class Step:
    """
    One property of one role, not proved yet.

    Attributes:
        run: Prove it. Never raises: what goes wrong is UNKNOWN.
        reads: Everything the outcome depends on: the same again gives the same outcome.
    """

    rule: str
    subject: str
    run: Callable[[], Result]
    reads: tuple[object, ...]


@dataclass(frozen=True)
class Plan:
    """
    Everything there is to prove.

    Attributes:
        steps: At least one. Without a session role it is VACUOUS: there is nothing to prove.
        notes: What was assumed to find them.
        scoped: The session roles and what each is taken to protect.
    """

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    scoped: tuple[Scoped, ...]


def plan(estate: Estate, options: Options) -> Plan:
    """Return every property to prove; running the steps until one fails is enough for some callers."""
    scoped = [scope_of(role, estate, options) for role in find_session_roles(estate, options)]
    compute = find_compute_roles(estate, scoped, options)
    promised = list(_promise_steps(estate, options))
    steps = [
        *([] if scoped or promised else [_nothing(estate)]),
        *(step for item in scoped for step in _session_steps(estate, item, scoped, options)),
        *promised,
        *_tool_steps(estate, options),
        *_token_steps(estate, scoped, compute),
        *_compute_steps(estate, scoped, compute, options),
        *_unplaced_steps(estate, scoped, compute, options),
        *_asking_steps(estate, scoped, compute, options),
        *_stranger_steps(estate, scoped, options),
        *_vault_steps(estate, scoped, compute.roles, options),
    ]
    return Plan(tuple(steps), tuple(compute.notes), tuple(scoped))


def _nothing(estate: Estate) -> Step:
    detail = f"none of the {len(estate.roles)} roles is assumed with session tags, so there is nothing to prove"
    return _known(Result("session-roles", "the templates", Status.VACUOUS, detail))


def _session_steps(estate: Estate, item: Scoped, scoped: Sequence[Scoped], options: Options) -> Iterator[Step]:
    proof = Proof(estate, item, options.allow)
    trusts = [(role.id, role.label, role.arn, role.trust, role.promises) for role in estate.roles.values()]

    def step(rule: str, attempt: Callable[[], Result], subject: str = item.role.label) -> Step:
        return _step(estate, item.role, rule, attempt, (item, trusts, estate.of_kind("key")), subject)

    yield step(TAGS, partial(prove_session_tags, proof))
    beside = {
        store.id: [Proof(estate, neighbour) for neighbour in neighbours_of(item, scoped, store)]
        for store in item.stores
    }
    near = [one.scoped for proofs in beside.values() for one in proofs]
    for store in item.stores:
        rule = PARTITION if store.kind in {"table", "tables"} else OBJECTS
        alike = next(named_alike(item, scoped, store), None)
        attempt = partial(prove_beside, proof, beside[store.id], store, alike)
        reads = (item, trusts, estate.of_kind("key"), [one.scoped for one in beside[store.id]])
        yield _step(estate, item.role, rule, attempt, reads, f"{item.role.label} → {store.label}")
    for store in item.shared:
        rule = PARTITION if store.kind in {"table", "tables"} else OBJECTS
        subject = f"{item.role.label} → {store.label}"
        yield _step(estate, item.role, rule, partial(prove_shared, proof, store), (estate,), subject)
    yield step(ACTIONS, partial(prove_allowed_actions, proof))
    yield step(CHAINING, partial(prove_no_chaining, proof))
    if not options.masked_grants:
        attempt = partial(prove_session_grants, proof, beside)
        yield _step(estate, item.role, MASKED, attempt, (item, trusts, estate.of_kind("key"), near))
    if promises_revocation(item.role):
        yield step(REVOCATION, partial(prove_revocation, proof))
    yield step(WORK, partial(prove_work_possible, proof))
    for text in options.session_policies:
        yield step(POLICY, partial(_prove_policy, proof, text))


def _tool_steps(estate: Estate, options: Options) -> Iterator[Step]:
    """Yield what is asked of every role that says it is a tool: other properties leave it to that, tags or not."""
    for role in estate.roles.values():
        if (owner := tool_of(role)) is not None:
            yield _step(estate, role, DERIVATION, partial(_prove_tool, estate, role, owner, options), (estate,))


def _prove_policy(proof: Proof, text: str) -> Result:
    return prove_session_policy(proof, session_policy_of(text))


def _prove_tool(estate: Estate, tool: Role, owner: Text, options: Options) -> Result:
    session_role = estate.role_by_arn(owner)
    if session_role is None:
        raise UnmodelledError(f"{show(owner)}, whose tool it is, is not in these templates")
    return prove_derivation(Proof(estate, scope_of(session_role, estate, options)), tool)


def _promise_steps(estate: Estate, options: Options) -> Iterator[Step]:
    """Yield what roles promise of their sessions in their Metadata, session tags or not."""
    tagged = {role.id for role in find_session_roles(estate, options)}
    for role in estate.roles.values():
        found = [(rule, prove) for key, rule, prove in _PROMISES if key in role.promises]
        if promises_revocation(role) and role.id not in tagged:
            found.append((REVOCATION, prove_revocation))
        for rule, prove in found:
            proof = Proof(estate, scope_of(role, estate, options), options.allow)
            yield _step(estate, role, rule, partial(prove, proof), (estate,))


def _token_steps(estate: Estate, scoped: Sequence[Scoped], compute: ComputeRoles) -> Iterator[Step]:
    for item in (item for item in scoped if mode_of(item.role)):
        tools = [tool for tool in scoped if tool_of(tool.role) == item.role.arn]
        attempt = partial(prove_token_minting, estate, item, list(compute.roles), tools)
        yield _step(estate, item.role, TOKENS, attempt, (estate,))


def _compute_steps(estate: Estate, scoped: Sequence[Scoped], compute: ComputeRoles, options: Options) -> Iterator[Step]:
    stores = with_copies(stores_of(scoped), estate)
    proofs = [(COMPUTE, prove_compute), *([] if options.masked_grants else [(MASKED, prove_compute_grants)])]
    judged = tuple(role.arn for role in compute.roles if role.id not in compute.perhaps_brokers)
    for role in compute.roles:
        perhaps = role.id in compute.perhaps_brokers
        for rule, prove in proofs:
            attempt = partial(
                prove, estate, role, stores, perhaps_broker=perhaps, judged=judged, trusted=options.trusted
            )
            attempt = partial(_by_service, attempt) if role.id in compute.by_service else attempt
            reads = (role, stores, perhaps, judged, role.id in compute.by_service, options.trusted, estate.role_arns)
            yield _step(estate, role, rule, attempt, reads)
    for role in compute.escapes:
        detail = "it mints sessions, and agent code that is kept from minting may become it"
        yield _known(Result(COMPUTE, role.label, Status.UNKNOWN, detail, location=role.id))
    for role in compute.beside:
        detail = "it mints sessions while another role mints for agents, and may run agents itself"
        detail += ", which would choose any tags; --compute-role names the roles that run agents"
        yield _known(Result(COMPUTE, role.label, Status.UNKNOWN, detail, location=role.id))
    for text in compute.outside:
        detail = "it may mint sessions and is not in these templates; --compute-role names who runs agents instead"
        yield _known(Result(COMPUTE, show(text), Status.UNKNOWN, detail))


def _unplaced_steps(
    estate: Estate, scoped: Sequence[Scoped], compute: ComputeRoles, options: Options
) -> Iterator[Step]:
    stores = with_copies(stores_of(scoped), estate)
    for role, why in unplaced(estate, scoped, compute, options) if scoped else ():
        attempt = partial(prove_unplaced, estate, role, why, stores, options.trusted)
        yield _step(estate, role, COMPUTE, attempt, (estate,))


def _asking_steps(estate: Estate, scoped: Sequence[Scoped], compute: ComputeRoles, options: Options) -> Iterator[Step]:
    stores = with_copies(stores_of(scoped), estate)
    agents = {role.id for role in compute.roles}
    for caller in compute.roles if scoped else ():
        for workload, role in asked(caller, estate, scoped, options):
            if role.id not in agents:  # what runs with an agent's role is judged as agent code
                attempt = partial(prove_asked, estate, workload, role, caller, scoped, stores)
                yield _step(estate, caller, COMPUTE, attempt, (estate,))
        yield from (_known(result) for result in handed_to(caller, estate, stores, options))


def _by_service(attempt: Callable[[], Result]) -> Result:
    """Say of a role that fails why it is taken for an agent's, when nothing but its service says so."""
    result = attempt()
    if result.status is Status.PROVED:
        return result
    return replace(result, detail=f"{result.detail} (by its service it runs agents; --compute-role says which do)")


def _stranger_steps(estate: Estate, scoped: Sequence[Scoped], options: Options) -> Iterator[Step]:
    data = with_copies(stores_of(scoped), estate)
    stores = [*data, *keys_in_use(estate, scoped)]
    for role in (role for role in estate.roles.values() if scoped and role.id not in {one.role.id for one in scoped}):
        if door := door_of(role, estate, options.trusted):
            attempt = partial(prove_door, door, role, estate, scoped, data, STRANGERS)
            yield _step(estate, role, STRANGERS, attempt, (estate,))
    if stores:
        keys = {store.id: [p for item in scoped for p in item.formats.get(store.id, ())] for store in stores}
        attempt = partial(prove_no_strangers, estate, stores, options.trusted, keys)
        run = partial(_run, attempt, STRANGERS, TENANT_DATA, "", estate.problems)
        yield Step(STRANGERS, TENANT_DATA, run, (stores, estate.accounts, estate.problems))


def _vault_steps(estate: Estate, scoped: Sequence[Scoped], compute: Sequence[Role], options: Options) -> Iterator[Step]:
    """Yield what each role takes from AgentCore's token vault; nothing is said of roles that take nothing."""
    sessions = {item.role.id: item for item in scoped}
    for role in find_vault_roles(estate, [*(item.role for item in scoped), *compute]):
        item = sessions.get(role.id)
        proof = Proof(estate, item, options.allow) if item else without_tags(estate, role)
        runs_agents = item is not None or role in compute
        attempt = partial(prove_token_vault, proof, admitted=item is not None, runs_agents=runs_agents)
        yield _step(estate, role, VAULT, attempt, (estate,))


def _known(result: Result) -> Step:
    return Step(result.rule, result.subject, lambda: result, (result,))


def _step(
    estate: Estate,
    role: Role,
    rule: str,
    attempt: Callable[[], Result],
    reads: tuple[object, ...],
    subject: str | None = None,
) -> Step:
    problems = [*estate.problems, *role.problems, *(() if rule in _OF_COMPUTE else role.elsewhere)]
    subject = role.label if subject is None else subject
    return Step(rule, subject, partial(_run, attempt, rule, subject, role.id, problems), (*reads, problems))


def _run(attempt: Callable[[], Result], rule: str, subject: str, location: str, problems: list[str]) -> Result:
    def failed(status: Status, detail: str) -> Result:
        return Result(rule, subject, status, detail, location=location)

    def step() -> Result:
        result = attempt()
        if problems and result.status is Status.PROVED:
            raise UnmodelledError(problems[0])
        return result

    return guarded(step, failed)
