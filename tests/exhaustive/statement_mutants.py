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
from fnmatch import fnmatchcase

from tests.support.matrix import Case, failures
from tests.support.matrix.compute import compute_cases
from tests.support.matrix.minting import mint_cases
from tests.support.matrix.session import session_cases
from tests.support.reference import synthesize_reference
from tests.support.verify.mutations import Body, Template, listed
from tests.support.verify.weaken_statement import NEVER, Weakening, narrowed, widened
from tests.support.world import World, clone, statements

# Statements whose condition key exists for no other action of the service (service authorization reference): with
# more actions they allow no more.
ONE_ACTION_KEYS = ("Metrics", "Models")
# Guard -> the guard that says the same for a ScopedComputeRole and more; each is needed where the other is absent.
MASKS = {"DenyMinting": "DenyOtherRoles"}
MODES = ("compute", "orchestrator")
COMPUTE_ROLES = ("AgentCoreExecutionRole", "EcsTaskRole")


@dataclass(frozen=True)
class Mutant:
    """
    One weakened template: which role's cases must notice, and in which variant.

    Attributes:
        actions: Patterns of the actions whose requests the statement can decide, weakened or not; in lower case.
    """

    name: str
    template: Template
    roles: tuple[str, ...]
    variant: str
    actions: frozenset[str]

    def decides(self, case: Case) -> bool:
        """Whether the weakening can change what is decided of a case; only a mint asks a trust statement."""
        asked = case.action.lower()
        of_trust = self.variant == "deployed"
        return (bool(case.target) or not of_trust) and any(fnmatchcase(asked, pattern) for pattern in self.actions)


def mutants(template: Template, known: set[str]) -> Iterator[Mutant]:
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
        for one in weakenings(world, statement, trust=document == "AssumeRolePolicyDocument"):
            copy = _without(clone(template), MASKS.get(statement.get("Sid", "")))
            target = list(statements(copy))[number][2]
            target.clear()
            target.update(one.statement)
            name = f"{logical_id} {statement.get('Sid', 'trust')}: {one.name}"
            yield Mutant(name, copy, roles, variant, _actions(statement) | _actions(one.statement))


def _without(template: Body, sid: str | None) -> Body:
    """Disarm one guard, in place: it says the same as another one and would hide that one's weakening."""
    for _, _, statement in statements(template):
        if sid is not None and statement.get("Sid") == sid:
            statement["Condition"] = NEVER
    return template


def _actions(statement: Body) -> frozenset[str]:
    """Return patterns of the actions that a statement speaks of; one with NotAction may speak of all."""
    return frozenset(action.lower() for action in listed(statement.get("Action", "*")))


def _ours(template: Body, logical_id: str) -> bool:
    kind = template["Resources"][logical_id]["Type"]
    is_policy = kind == "AWS::IAM::ManagedPolicy"
    return is_policy or (kind == "AWS::IAM::Role" and logical_id.startswith("SessionRole"))


def _roles(template: Body, logical_id: str) -> tuple[str, ...]:
    attached = template["Resources"][logical_id]["Properties"].get("Roles", [{"Ref": logical_id}])
    return tuple(str(reference["Ref"])[:-8] for reference in attached)


def _variant(document: str, statement: Body) -> str:
    if document == "AssumeRolePolicyDocument":
        return "deployed"
    return "allows only" if statement["Effect"] == "Allow" else "broad allow"


def weakenings(world: World, statement: Body, *, trust: bool) -> Iterator[Weakening]:
    """Yield weakened statements: each lets more through than the statement does."""
    if statement["Effect"] == "Deny":
        yield from narrowed(statement)
        return
    for one in widened(statement, world, trust=trust):
        if one.kind != "every action" or statement["Sid"] not in ONE_ACTION_KEYS:
            yield one


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
    cases = [case for role in mutant.roles for case in cases_for(world, role, mints=mints) if mutant.decides(case)]
    # A few at a time: one that notices is enough.
    return not any(failures(world, cases[at : at + 50], [mutant.variant]) for at in range(0, len(cases), 50))


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
