"""
Weaken every emitted statement, one thing at a time, and show that the request matrix notices each.

No golden and no statement test takes part: only the simulator's decisions. An Allow is judged with the guards
removed, a guard under the broad Allow, so that neither can hide behind the other.

Run `make mutants`: it lists what survives, and fails if anything does.
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.support.matrix import Case, failures
from tests.support.matrix.compute import compute_cases
from tests.support.matrix.minting import mint_cases
from tests.support.matrix.session import session_cases
from tests.support.reference import synthesize_reference
from tests.support.world import World, clone, statements

# Statements whose condition key exists for no other action of the service (service authorization reference): with
# more actions they allow no more.
ONE_ACTION_KEYS = ("Metrics", "InvokeModelsThroughProfiles")
NEVER = {"StringEquals": {"aws:PrincipalAccount": "never"}}
# Guard -> the guard that says the same for a ScopedComputeRole and more; each is needed where the other is absent.
MASKS = {"DenyMinting": "DenyOtherRoles"}
MODES = ("compute", "orchestrator")
COMPUTE_ROLES = ("AgentCoreExecutionRole", "EcsTaskRole")


@dataclass(frozen=True)
class Mutant:
    """One weakened template: which role's cases must notice, and in which variant."""

    name: str
    template: dict[str, Any]
    roles: tuple[str, ...]
    variant: str
    services: frozenset[str]


def mutants(template: dict[str, Any], known: set[str]) -> Iterator[Mutant]:
    """
    Yield every weakening of every statement that the constructs emit.

    Args:
        template: The synthesized stack.
        known: Statements already weakened, in another mode's template; grows.
    """
    world = World(template)
    for number, (logical_id, document, statement) in enumerate(statements(template)):
        if not _ours(template, logical_id) or json.dumps(statement) in known:
            continue
        known.add(json.dumps(statement))
        roles = _roles(template, logical_id)
        variant = _variant(document, statement)
        for change, weakened in weakenings(world, statement, trust=document == "AssumeRolePolicyDocument"):
            copy = _without(clone(template), MASKS.get(statement.get("Sid", "")))
            target = list(statements(copy))[number][2]
            target.clear()
            target.update(weakened)
            name = f"{logical_id} {statement.get('Sid', 'trust')}: {change}"
            yield Mutant(name, copy, roles, variant, _services(statement))


def _without(template: dict[str, Any], sid: str | None) -> dict[str, Any]:
    """Disarm one guard, in place: it says the same as another one and would hide that one's weakening."""
    for _, _, statement in statements(template):
        if sid is not None and statement.get("Sid") == sid:
            statement["Condition"] = NEVER
    return template


def _services(statement: dict[str, Any]) -> frozenset[str]:
    """Return the services whose requests the statement can decide; empty for all."""
    actions = _listed(statement.get("Action", "dynamodb:NotAction"))
    services = {action.split(":")[0] for action in actions}
    return frozenset() if "*" in services else frozenset(services)


def _ours(template: dict[str, Any], logical_id: str) -> bool:
    kind = template["Resources"][logical_id]["Type"]
    is_policy = kind == "AWS::IAM::ManagedPolicy"
    return is_policy or (kind == "AWS::IAM::Role" and logical_id.startswith("SessionRole"))


def _roles(template: dict[str, Any], logical_id: str) -> tuple[str, ...]:
    attached = template["Resources"][logical_id]["Properties"].get("Roles", [{"Ref": logical_id}])
    return tuple(str(reference["Ref"])[:-8] for reference in attached)


def _variant(document: str, statement: dict[str, Any]) -> str:
    if document == "AssumeRolePolicyDocument":
        return "deployed"
    return "allows only" if statement["Effect"] == "Allow" else "broad allow"


def weakenings(world: World, statement: dict[str, Any], *, trust: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (what was weakened, statement): each lets more through than the statement does."""
    if statement["Effect"] == "Deny":
        yield "removed", _never(statement)
        yield from _narrower(statement)
        return
    for operator, keys in statement.get("Condition", {}).items():
        for key, value in keys.items():
            if _said_twice(statement, operator, key):
                continue
            weaker = clone(statement)
            del weaker["Condition"][operator][key]
            yield f"no {operator} {key}", weaker
            yield from _wider_values(statement, operator, key, value)
    if not trust:
        yield from _wider_reach(world, statement)


def _said_twice(statement: dict[str, Any], operator: str, key: str) -> bool:
    """
    Whether a tag that must be present also stands as a variable in the leading key or resource.

    Without the tag the variable matches nothing, in the simulator also when the tag is empty, so dropping the
    condition opens nothing there. IAM's guide is silent on empty tags: the condition stays.
    """
    rest = json.dumps([statement.get("Resource"), statement["Condition"].get("ForAllValues:StringEquals")])
    return operator == "StringLike" and f"${{{key}}}" in rest


def _never(statement: dict[str, Any]) -> dict[str, Any]:
    return {**clone(statement), "Condition": NEVER}


def _wider_values(
    statement: dict[str, Any], operator: str, key: str, value: Any
) -> Iterator[tuple[str, dict[str, Any]]]:
    if operator == "Null":
        return
    values = value if isinstance(value, list) else [value]
    if "Not" in operator:
        for index, dropped in enumerate(values):
            weaker = clone(statement)
            weaker["Condition"][operator][key] = values[:index] + values[index + 1 :] or ["no such value"]
            yield f"{operator} {key} without {dropped}", weaker
        return
    weaker = clone(statement)
    del weaker["Condition"][operator][key]
    loose = operator.replace("Equals", "Like")
    weaker["Condition"].setdefault(loose, {})[key] = "*"
    yield f"{operator} {key} as *", weaker


def _wider_reach(world: World, statement: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    resources = _listed(statement["Resource"])
    for index, resource in enumerate(resources):
        if resource == "*":
            continue
        if not world.fill(resource).endswith("*"):
            weaker = clone(statement)
            weaker["Resource"] = [*resources[:index], *resources[index + 1 :], _appended(resource, "*")]
            yield f"resource {index} with * behind it", weaker
        text = json.dumps(resource)
        for variable in sorted({part.split("}")[0] for part in text.split("${")[1:]}):
            weaker = clone(statement)
            wider = json.loads(text.replace(f"${{{variable}}}", "*"))
            weaker["Resource"] = [*resources[:index], *resources[index + 1 :], wider]
            yield f"resource {index} with {variable} as *", weaker
    if statement["Sid"] in ONE_ACTION_KEYS:
        return
    service = _listed(statement["Action"])[0].split(":")[0]
    weaker = clone(statement)
    weaker["Action"] = f"{service}:*"
    weaker["Resource"] = resources
    yield "every action of its service", weaker


def _narrower(statement: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for element in ("Resource", "Action"):
        values = _listed(statement.get(element, []))
        for index in range(len(values) if len(values) > 1 else 0):
            weaker = clone(statement)
            weaker[element] = values[:index] + values[index + 1 :]
            yield f"without {element} {json.dumps(values[index])}", weaker
    for element, added in (("NotAction", "dynamodb:DeleteItem"), ("NotResource", "*")):
        if element in statement:
            weaker = clone(statement)
            weaker[element] = [*_listed(statement[element]), added]
            yield f"{element} with {added}", weaker
    for operator, keys in statement.get("Condition", {}).items():
        for key, value in keys.items():
            if isinstance(value, list) and len(value) > 1:
                for index, dropped in enumerate(value):
                    weaker = clone(statement)
                    weaker["Condition"][operator][key] = value[:index] + value[index + 1 :]
                    yield f"{operator} {key} without {dropped}", weaker
            if operator.startswith("ForAnyValue:"):
                weaker = clone(statement)
                weaker["Condition"] = {operator.replace("ForAnyValue:", "ForAllValues:"): {key: value}}
                yield "ForAllValues in place of ForAnyValue", weaker


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _appended(resource: Any, text: str) -> Any:
    return {"Fn::Join": ["", [resource, text]]}


def cases_for(world: World, role: str, *, mints: bool) -> list[Case]:
    """Return the cases of one role."""
    if role == "SessionRole":
        minters = [*COMPUTE_ROLES] if mints else ["OrchestratorRole"]
        return [*session_cases(world), *(case for name in minters for case in mint_cases(world, name, allowed=True))]
    if role == "OrchestratorRole":
        return list(mint_cases(world, role, allowed=True))
    return list(compute_cases(world, role, mints=mints))


def survives(mutant: Mutant, *, mints: bool) -> bool:
    """Whether no case decides differently from what it expects."""
    world = World(mutant.template)
    cases = [case for role in mutant.roles for case in cases_for(world, role, mints=mints)]
    if mutant.variant == "deployed":  # a trust statement: only the mint cases ask for it
        cases = [case for case in cases if case.target]
    if mutant.services:
        cases = [case for case in cases if case.action.split(":")[0] in mutant.services]
    return not failures(world, cases, [mutant.variant])


def _check(job: tuple[Mutant, bool]) -> tuple[str, bool]:
    mutant, mints = job
    return mutant.name, survives(mutant, mints=mints)


def main() -> int:
    """Check all mutants of both minting modes; return the number of survivors, at most 1."""
    survivors: list[str] = []
    known: set[str] = set()
    for mode in MODES:
        jobs = [(mutant, mode == "compute") for mutant in mutants(synthesize_reference(minting=mode), known)]
        with ProcessPoolExecutor() as pool:
            for done, (name, alive) in enumerate(pool.map(_check, jobs, chunksize=4), 1):
                if alive:
                    survivors.append(f"{mode}: {name}")
                if sys.stderr.isatty():
                    sys.stderr.write(f"\r{mode}: {done} of {len(jobs)} weakenings checked ")
        sys.stderr.write(f"\r{mode}: {len(jobs)} weakenings checked\n")
    for name in survivors:
        sys.stdout.write(f"not noticed: {name}\n")
    sys.stdout.write(f"{len(survivors)} weakenings went unnoticed\n")
    return bool(survivors)


if __name__ == "__main__":
    sys.exit(main())
