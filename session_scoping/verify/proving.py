"""`prove`: every property of every session role and compute role, for all requests and all pairs of sessions."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from session_scoping.agent.policy import parse_session_policy
from session_scoping.errors import InvalidInputError
from session_scoping.promises import ATTRIBUTED_TO, BOUND_TO
from session_scoping.verify.collecting import collect
from session_scoping.verify.documents import statements_of
from session_scoping.verify.infer import Options, Scoped, find_session_roles, scope_of
from session_scoping.verify.model import Estate, Role, Store
from session_scoping.verify.promised import promises_anything
from session_scoping.verify.properties.allowed_actions import RULE as ACTIONS
from session_scoping.verify.properties.allowed_actions import prove_allowed_actions
from session_scoping.verify.properties.attribution import RULE as ATTRIBUTION
from session_scoping.verify.properties.attribution import prove_attribution
from session_scoping.verify.properties.base import Proof, guarded
from session_scoping.verify.properties.chaining import RULE as CHAINING
from session_scoping.verify.properties.chaining import prove_no_chaining
from session_scoping.verify.properties.compute import RULE as COMPUTE
from session_scoping.verify.properties.compute import prove_compute
from session_scoping.verify.properties.compute_roles import find_compute_roles
from session_scoping.verify.properties.derivation import RULE as DERIVATION
from session_scoping.verify.properties.derivation import prove_derivation, tool_of
from session_scoping.verify.properties.isolation import OBJECTS, PARTITION, prove_store
from session_scoping.verify.properties.revocation import RULE as REVOCATION
from session_scoping.verify.properties.revocation import promises_revocation, prove_revocation
from session_scoping.verify.properties.session_policy import RULE as POLICY
from session_scoping.verify.properties.session_policy import prove_session_policy
from session_scoping.verify.properties.session_tags import RULE as TAGS
from session_scoping.verify.properties.session_tags import prove_session_tags
from session_scoping.verify.properties.token_minting import RULE as TOKENS
from session_scoping.verify.properties.token_minting import mode_of, prove_token_minting
from session_scoping.verify.properties.token_vault import RULE as VAULT
from session_scoping.verify.properties.token_vault import find_vault_roles, prove_token_vault, without_tags
from session_scoping.verify.properties.work import RULE as WORK
from session_scoping.verify.properties.work import prove_work_possible
from session_scoping.verify.properties.workload_binding import RULE as BINDING
from session_scoping.verify.properties.workload_binding import prove_workload_binding
from session_scoping.verify.reach import uses_tags
from session_scoping.verify.report import Report, Result, Status
from session_scoping.verify.stores import named
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.template import load
from session_scoping.verify.text import Text, show

ASSUMPTIONS = (
    "no policy outside these templates attaches to the roles in them",
    "tag values hold only what STS accepts, so neither `*` nor `?` nor `$`",
    "whoever may mint carries no transitive tag of its own under a declared key",
    "every account and Region partition of the same name is one account and Region",
    "organization policies, session policies and VPC endpoint policies only take away",
    "a generated resource name holds its logical id; two resources never share a name",
)

Progress = Callable[[str], None]


def prove_path(path: Path, options: Options | None = None, progress: Progress | None = None) -> Report:
    """
    Prove a template or a cdk.out directory.

    Raises:
        InvalidInputError: The path cannot be read.
    """
    return prove(collect(load(path)), options, progress)


def prove(estate: Estate, options: Options | None = None, progress: Progress | None = None) -> Report:
    """
    Prove every property of every session role.

    Args:
        estate: What the templates deploy.
        options: What the user says. Default: everything is inferred.
        progress: Told the name of each step. Default: nobody is told.

    Raises:
        InvalidInputError: The user names a role, table or bucket that is not there.

    Returns:
        At least one result. Without a session role it is VACUOUS: there is nothing to prove.
    """
    options = options or Options()
    tell = progress or (lambda _step: None)
    results: list[Result] = []
    scoped = [scope_of(role, estate, options) for role in find_session_roles(estate, options)]
    _demand_known(estate, scoped, options)
    promised = prove_promises(estate, options, tell)
    if not scoped and not promised:
        detail = f"none of the {len(estate.roles)} roles is assumed with session tags, so there is nothing to prove"
        results.append(Result("session-roles", "the templates", Status.VACUOUS, detail))
    for item in scoped:
        for rule, subject, attempt in _session_steps(estate, item, options):
            tell(f"{rule}: {subject}")
            results.append(_run(attempt, rule, subject, item.role, [*estate.problems, *item.role.problems]))
    results += promised
    compute = find_compute_roles(estate, scoped, options)
    for item in (item for item in scoped if mode_of(item.role)):
        tell(f"{TOKENS}: {item.role.label}")
        step = partial(prove_token_minting, estate, item, list(compute.roles))
        results.append(_run(step, TOKENS, item.role.label, item.role, [*estate.problems, *item.role.problems]))
    stores = {store.id: store for item in scoped for store in item.stores}
    for role in compute.roles:
        tell(f"{COMPUTE}: {role.label}")
        perhaps = role.id in compute.perhaps_brokers
        step = partial(prove_compute, estate, role, list(stores.values()), perhaps_broker=perhaps)
        results.append(_run(step, COMPUTE, role.label, role, [*estate.problems, *role.problems]))
    results.extend(_vault_results(estate, scoped, compute.roles, options))
    for text in compute.outside:
        detail = "it may mint sessions, and whether it holds tenant data itself is not in these templates"
        results.append(Result(COMPUTE, show(text), Status.UNKNOWN, detail))
    return Report(tuple(results), (*ASSUMPTIONS, *sorted(estate.notes), *compute.notes))


def _demand_known(estate: Estate, scoped: list[Scoped], options: Options) -> None:
    """
    Refuse a word of the user's that names nothing: what it was meant to add to the proof would be left out silently.

    Raises:
        InvalidInputError: A session role, compute role, table or bucket is named that is not there.
    """
    roles = [(role.id, role.label) for role in estate.roles.values()]
    stores = [(store.id, store.label) for store in (*estate.stores.values(), *stores_of(scoped))]
    for option, words, known in (
        ("session_roles", options.session_roles, roles),
        ("compute_roles", options.compute_roles, roles),
        ("stores", options.stores, stores),
    ):
        for word in words:
            if not any(named([word], *item) for item in known):
                raise InvalidInputError(
                    f"`{word}` names nothing in these templates",
                    got=f"it in `{option}`",
                    expected="a logical id, a construct path, or the end of either",
                    why="what it was meant to cover would be left out of the proof silently",
                    fix="look the id up in the template, or leave the option out",
                )


def _vault_results(estate: Estate, scoped: list[Scoped], compute: Sequence[Role], options: Options) -> Iterator[Result]:
    """Prove what each role takes from AgentCore's token vault; nothing is said of roles that take nothing."""
    sessions = {item.role.id: item for item in scoped}
    for role in find_vault_roles(estate, [*(item.role for item in scoped), *compute]):
        item = sessions.get(role.id)
        proof = Proof(estate, item, options.allow) if item else without_tags(estate, role)
        runs_agents = item is not None or role in compute
        step = partial(prove_token_vault, proof, admitted=item is not None, runs_agents=runs_agents)
        yield _run(step, VAULT, role.label, role, [*estate.problems, *role.problems])


_Step = tuple[str, str, Callable[[], Result]]


def _session_steps(estate: Estate, item: Scoped, options: Options) -> Iterator[_Step]:
    proof = Proof(estate, item, options.allow)
    label = item.role.label
    yield TAGS, label, partial(prove_session_tags, proof)
    for store in item.stores:
        rule = PARTITION if store.kind == "table" else OBJECTS
        yield rule, f"{label} → {store.label}", partial(prove_store, proof, store)
    yield ACTIONS, label, partial(prove_allowed_actions, proof)
    yield CHAINING, label, partial(prove_no_chaining, proof)
    if promises_revocation(item.role):
        yield REVOCATION, label, partial(prove_revocation, proof)
    if (owner := tool_of(item.role)) is not None:
        yield DERIVATION, label, partial(_prove_tool, estate, item.role, owner, options)
    yield WORK, label, partial(prove_work_possible, proof)
    for text in options.session_policies:
        yield POLICY, label, partial(_prove_policy, proof, text)


def _prove_policy(proof: Proof, text: str) -> Result:
    return prove_session_policy(proof, statements_of(json.loads(parse_session_policy(text)), "the session policy"))


def _prove_tool(estate: Estate, tool: Role, owner: Text, options: Options) -> Result:
    session_role = estate.role_by_arn(owner)
    if session_role is None:
        raise UnmodelledError(f"{show(owner)}, whose tool it is, is not in these templates")
    return prove_derivation(Proof(estate, scope_of(session_role, estate, options)), tool)


_PROMISES = ((ATTRIBUTED_TO, ATTRIBUTION, prove_attribution), (BOUND_TO, BINDING, prove_workload_binding))


def prove_promises(estate: Estate, options: Options, tell: Progress) -> list[Result]:
    """Prove what roles promise of their sessions in their Metadata, session tags or not."""
    results: list[Result] = []
    for role in filter(promises_anything, estate.roles.values()):
        proof = Proof(estate, scope_of(role, estate, options), options.allow)
        steps = [step for step in _PROMISES if step[0] in role.promises]
        if promises_revocation(role) and not uses_tags(role):
            steps.append((REVOCATION, REVOCATION, prove_revocation))
        for _, rule, attempt in steps:
            tell(f"{rule}: {role.label}")
            problems = [*estate.problems, *role.problems]
            results.append(_run(partial(attempt, proof), rule, role.label, role, problems))
    return results


def _run(attempt: Callable[[], Result], rule: str, subject: str, role: Role, problems: list[str]) -> Result:
    def failed(status: Status, detail: str) -> Result:
        return Result(rule, subject, status, detail, location=role.id)

    def step() -> Result:
        result = attempt()
        if problems and result.status is Status.PROVED:
            raise UnmodelledError(problems[0])
        return result

    return guarded(step, failed)


def stores_of(scoped: list[Scoped]) -> list[Store]:
    """Return every table and bucket that session roles are granted, each once."""
    return list({store.id: store for item in scoped for store in item.stores}.values())
