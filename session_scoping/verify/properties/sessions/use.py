"""Use of models and keys: a model only by its name and through its profile, a key only through its service."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import z3

from session_scoping.verify.patterns.matching import parsed, split_fields
from session_scoping.verify.patterns.text import Pattern, Token, Unmodelled, Wildcard, lit
from session_scoping.verify.policies.actions import INVOKE, KEY_USE
from session_scoping.verify.policies.model import Statement
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import Proof, Witness, confirm
from session_scoping.verify.properties.grant_targets import entry_arn, entry_target
from session_scoping.verify.reports.report import Counterexample
from session_scoping.verify.symbolic.access import access, resource_pattern
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.solver import solve
from session_scoping.verify.symbolic.strings import Bool, concat, conjunction
from session_scoping.verify.symbolic.targets import store_target

_PROFILE = "bedrock:inferenceprofilearn"
_MODEL = "foundation-model/"
_FOREIGN_CONTEXT = z3.StringVal("zz")
_PLACES = {"account", "partition", "region"}
_FOREIGN_PROFILE = "arn:aws:bedrock:us-east-1:111122223333:inference-profile/zz.zz"


def model_faults(proof: Proof) -> Iterator[Counterexample]:
    """Find a model a session can call that no grant names, or that is named for use through a profile only."""
    profiled = _profiled_models(proof)
    for action, statement, pattern in _grants(proof, INVOKE):
        call = proof.call("A", proof.admission("A").session)
        target = entry_target(pattern, call.lookup)
        reach = access(proof.role, call, action, target)
        kind, name = _model_of(pattern)
        region_open = _has_wildcard(split_fields(pattern)[3:5]) if len(split_fields(pattern)) == 6 else True
        if kind is None or _has_wildcard([name]):
            yield from _fault(proof, call, action, pattern, reach, "a model that no grant names can be called")
            continue
        if kind != _MODEL:
            continue
        there, value = call.single(_PROFILE)
        through = z3.And(there, value == z3.StringVal(_FOREIGN_PROFILE))
        yield from _fault(
            proof, call, action, pattern, conjunction([reach, _fenced_somehow(statement), through]),
            "a model can be called through an inference profile that no grant names",
        )  # fmt: skip
        if (region_open and profiled) or name in profiled:
            yield from _fault(
                proof, call, action, pattern, conjunction([reach, z3.Not(there)]),
                "a model can be called outside its inference profile",
            )  # fmt: skip


def _fenced_somehow(statement: Statement) -> Bool:
    fenced = any(condition.key.lower() == _PROFILE for condition in statement.conditions)
    return z3.BoolVal(fenced)


def _profiled_models(proof: Proof) -> set[Pattern]:
    found: set[Pattern] = set()
    for _, _, pattern in _grants(proof, INVOKE[:1]):
        kind, name = _model_of(pattern)
        if kind == "inference-profile/" and name and isinstance(name[0], str):
            # `<geo>.<model>`: FACTS of the profile ARN, Bedrock inference-profiles-prereq.
            found.add(tuple(p for p in (name[0].partition(".")[2], *name[1:]) if p != ""))
    return found


def _model_of(pattern: Pattern) -> tuple[str | None, Pattern]:
    fields = split_fields(pattern)
    if len(fields) != 6 or fields[2] != ("bedrock",) or not fields[5] or not isinstance(fields[5][0], str):
        return None, ()
    kind, slash, rest = fields[5][0].partition("/")
    if not slash:
        return None, ()
    return f"{kind}/", tuple(p for p in (rest, *fields[5][1:]) if p != "")


def key_faults(proof: Proof) -> Iterator[Counterexample]:
    """Find a use of a key outside the service whose data it protects."""
    for action, _, pattern in _grants(proof, KEY_USE):
        call = proof.call("A", proof.admission("A").session)
        target = entry_target(pattern, call.lookup)
        reach = access(proof.role, call, action, target)
        if z3.is_false(reach):
            continue
        if _has_wildcard([pattern]):
            yield from _fault(proof, call, action, pattern, reach, f"{action} is allowed on keys no grant names")
            continue
        elsewhere = _outside_its_services(call)
        yield from _fault(
            proof, call, action, pattern, conjunction([reach, elsewhere]),
            f"{action} is allowed outside DynamoDB and S3", about=[_name_of(call, "kms:viaservice")],
        )  # fmt: skip
        if action == "kms:DescribeKey":
            continue
        bare = conjunction([_says_nothing(proof, call, key) for key in _context_keys(proof)])
        yield from _fault(
            proof, call, action, pattern, conjunction([reach, bare]),
            f"{action} is allowed whatever the key protects: no encryption context is asked for",
        )  # fmt: skip


def key_policy_faults(proof: Proof) -> Iterator[Counterexample]:
    """
    Find a key whose own policy lets the session use it outside the service whose data it protects.

    Raises:
        UnmodelledError: Something that decides it is not modelled, or the solver gave up.
    """
    for store in proof.deployment.of_kind("key"):
        for action in KEY_USE:
            call = proof.call("A", proof.admission("A").session)
            target = store_target(store, None, call.lookup)
            reach = access(
                replace(proof.role, identity=tuple(s for s in proof.role.identity if not s.allow)), call, action, target
            )
            if z3.is_false(reach):
                continue
            elsewhere = _outside_its_services(call)
            model = solve(target.domain, reach, elsewhere, proof.admission("A").formula)
            if model is not None:
                summary = f"the policy of {store.label} allows {action} outside DynamoDB and S3"
                found = confirm(proof, call, model, [Witness(action, store.arn)], summary, policy=store.policy)
                if found is None:
                    raise UnmodelledError(f"{summary}, as far as an over-approximation can tell")
                yield found


def _outside_its_services(call: Call) -> Bool:
    there, value = call.single("kms:viaservice")
    inside = [z3.PrefixOf(z3.StringVal(f"{service}."), value) for service in ("dynamodb", "s3")]
    return z3.Or(z3.Not(there), z3.Not(z3.Or(*inside)))


def _name_of(call: Call, key: str) -> str:
    """Return the name of the string that a condition key of a request is."""
    return str(call.single(key)[1].decl().name())


def _says_nothing(proof: Proof, call: Call, key: str) -> Bool:
    """Whether a request has no encryption context of a kind, or one that no key's data has."""
    there, value = call.single(key)
    other = [concat(name, call.lookup)[0] != _FOREIGN_CONTEXT for name in _names_asked_for(proof, key)]
    return z3.Or(z3.Not(there), conjunction([value == _FOREIGN_CONTEXT, *other]))


def _names_asked_for(proof: Proof, key: str) -> Iterator[Pattern]:
    """
    Yield the names known at deploy time only that the role's policies compare an encryption context with, whole.

    Data has such a context where the name is deployed like it, so a foreign one differs from it. What has a wildcard
    or a policy variable is no such name: it may match a context no data has. Nor is an account: all its data has it.
    """
    for statement in proof.role.identity:
        for text in (v for c in statement.conditions if c.key.lower() == key for v in c.values):
            name = parsed(text, statement.variables, True)
            if isinstance(name, Unmodelled) or not all(isinstance(part, str | Token) for part in name):
                continue
            if any(isinstance(part, Token) and part.kind not in _PLACES for part in name):
                yield name


def _context_keys(proof: Proof) -> list[str]:
    keys = {condition.key.lower() for statement in proof.role.identity for condition in statement.conditions}
    return sorted(key for key in keys if key.startswith("kms:encryptioncontext:"))


def _grants(proof: Proof, actions: tuple[str, ...]) -> Iterator[tuple[str, Statement, Pattern]]:
    for statement in proof.role.identity:
        if not statement.allow or statement.problem:
            continue
        for action in actions:
            if covers_action(statement, action):
                texts = statement.resources if statement.resources is not None else (lit("*"),)
                for text in texts:
                    yield action, statement, resource_pattern(text, statement)


def _fault(
    proof: Proof, call: Call, action: str, pattern: Pattern, formula: Bool, summary: str, about: Collection[str] = ()
) -> Iterator[Counterexample]:
    if z3.is_false(formula):
        return
    model = solve(formula, proof.admission("A").formula, about=about)
    if model is None:
        return
    found = confirm(proof, call, model, [Witness(action, entry_arn(pattern))], summary)
    if found is None:
        raise UnmodelledError(f"{summary}, as far as an over-approximation can tell; `decide` does not confirm it")
    yield found


def _has_wildcard(patterns: object) -> bool:
    return any(isinstance(part, Wildcard) for pattern in patterns for part in pattern)  # type: ignore[attr-defined]
