"""Use of models and keys: a model only by its name and through its profile, a key only through its service."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import z3

from session_scoping.verify.patterns.matching import parsed, split_fields
from session_scoping.verify.patterns.text import Pattern, Token, Unmodelled, Wildcard, lit
from session_scoping.verify.policies.actions import INVOKE, KEY_USE
from session_scoping.verify.policies.model import Statement
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import Proof
from session_scoping.verify.properties.grant_targets import entry_arn, entry_target
from session_scoping.verify.properties.search import Query
from session_scoping.verify.symbolic.access import resource_pattern
from session_scoping.verify.symbolic.calls import Call
from session_scoping.verify.symbolic.strings import TRUE, Bool, concat, conjunction, negation
from session_scoping.verify.symbolic.targets import store_target

_PROFILE = "bedrock:inferenceprofilearn"
_MODEL = "foundation-model/"
_ALWAYS = ("dynamodb", "s3")
_NAMING = {
    "secretsmanager": "kms:encryptioncontext:secretarn",
    "ssm": "kms:encryptioncontext:parameter_arn",
}
"""
Services that ask for a key on a session's behalf: those of rows and objects, and those that must say whose data it is.

Source: Secrets Manager guide, security-encryption, and Systems Manager guide, services-parameter-store: the context.
"""
_OUTSIDE = "outside DynamoDB, S3 and, under its encryption context, a secret's or parameter's service"
_FOREIGN_CONTEXT = z3.StringVal("zz")
_PLACES = {"account", "partition", "region"}
_FOREIGN_PROFILE = z3.StringVal("arn:aws:bedrock:us-east-1:111122223333:inference-profile/zz.zz")


def uses(proof: Proof) -> Iterator[Query]:
    """
    Yield each use of a model or a key that no session may make.

    Raises:
        UnmodelledError: A grant cannot be read.
    """
    yield from _of_models(proof)
    yield from _of_keys(proof)
    yield from _by_key_policies(proof)


def _of_models(proof: Proof) -> Iterator[Query]:
    """Yield the use of a model that no grant names, or that is named for use through a profile only."""
    profiled = _profiled_models(proof)
    for action, statement, pattern in _grants(proof, INVOKE):
        kind, name = _model_of(pattern)
        region_open = _has_wildcard(split_fields(pattern)[3:5]) if len(split_fields(pattern)) == 6 else True
        if kind is None or _has_wildcard([name]):
            yield _query(proof, action, pattern, "a model that no grant names can be called")
            continue
        if kind != _MODEL:
            continue
        if any(condition.key.lower() == _PROFILE for condition in statement.conditions):
            yield _query(
                proof, action, pattern, "a model can be called through an inference profile that no grant names",
                _through_foreign,
            )  # fmt: skip
        if (region_open and profiled) or name in profiled:
            yield _query(
                proof, action, pattern, "a model can be called outside its inference profile",
                lambda call: negation(call.single(_PROFILE)[0]),
            )  # fmt: skip


def _through_foreign(call: Call) -> Bool:
    there, value = call.single(_PROFILE)
    return conjunction([there, value == _FOREIGN_PROFILE])


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


def _of_keys(proof: Proof) -> Iterator[Query]:
    """Yield the use of a key outside the service whose data it protects."""
    for action, _, pattern in _grants(proof, KEY_USE):
        if _has_wildcard([pattern]):
            yield _query(proof, action, pattern, f"{action} is allowed on keys no grant names")
            continue
        outside = _query(proof, action, pattern, f"{action} is allowed {_OUTSIDE}", _outside_its_services)
        yield replace(outside, about=(_name_of(outside.call, "kms:viaservice"),))
        if action != "kms:DescribeKey":
            what = f"{action} is allowed whatever the key protects: no encryption context is asked for"
            yield _query(proof, action, pattern, what, partial(_without_context, proof))


def _by_key_policies(proof: Proof) -> Iterator[Query]:
    """Yield the use that a key's own policy allows outside the service whose data it protects."""
    granted_nothing = replace(proof.role, identity=tuple(s for s in proof.role.identity if not s.allow))
    for store in proof.deployment.of_kind("key"):
        for action in KEY_USE:
            call = proof.call("A", proof.admission("A").session)
            given = (_outside_its_services(call), proof.admission("A").formula)
            what = f"the policy of {store.label} allows {action} {_OUTSIDE}"
            target = store_target(store, None, call.lookup)
            yield Query(call, action, target, store.arn, what, given, role=granted_nothing, sampled=False)


def _outside_its_services(call: Call) -> Bool:
    there, value = call.single("kms:viaservice")
    inside = [z3.PrefixOf(z3.StringVal(f"{service}."), value) for service in _ALWAYS]
    for service, context in _NAMING.items():
        inside.append(z3.And(z3.PrefixOf(z3.StringVal(f"{service}."), value), call.single(context)[0]))
    return z3.Or(z3.Not(there), z3.Not(z3.Or(*inside)))


def _name_of(call: Call, key: str) -> str:
    """Return the name of the string that a condition key of a request is."""
    return str(call.single(key)[1].decl().name())


def _without_context(proof: Proof, call: Call) -> Bool:
    return conjunction([_says_nothing(proof, call, key) for key in _context_keys(proof)])


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


def _query(
    proof: Proof, action: str, pattern: Pattern, what: str, wrong: Callable[[Call], Bool] = lambda _: TRUE
) -> Query:
    call = proof.call("A", proof.admission("A").session)
    given = (wrong(call), proof.admission("A").formula)
    return Query(call, action, entry_target(pattern, call.lookup), entry_arn(pattern), what, given, sampled=False)


def _has_wildcard(patterns: object) -> bool:
    return any(isinstance(part, Wildcard) for pattern in patterns for part in pattern)  # type: ignore[attr-defined]
