"""One concrete session and its own keys: a witness that needs no solver."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product

from session_scoping.verify.patterns.text import Pattern, Text, Token, Variable, Wildcard, plain
from session_scoping.verify.policies.actions import ASSUME, TAG_SESSION, of_sessions
from session_scoping.verify.policies.binding import Binding, keeping, tag_context
from session_scoping.verify.policies.conditions import UnmodelledOperatorError
from session_scoping.verify.policies.decision import Decision, PolicySet, Request, decide
from session_scoping.verify.policies.model import Store
from session_scoping.verify.policies.statement_queries import PRINCIPAL_TAG, covers_action
from session_scoping.verify.properties.base import (
    Proof,
    Witness,
    attempt,
    caller_keys,
    deciding_statements,
    representative_actions,
)
from session_scoping.verify.properties.mints import CALLER, as_caller, fitting, minters
from session_scoping.verify.properties.sessions.derivation import name_tag
from session_scoping.verify.reports.report import Counterexample
from session_scoping.verify.scoping.infer import tags_in
from session_scoping.verify.symbolic.solver import replay
from session_scoping.verify.symbolic.trust import takes_pods_only


def sample_tags(proof: Proof) -> dict[str, str]:
    """Return the tags of an ordinary session."""
    return {
        proof.scoped.spelling[key]: fitting(proof.role, key, f"{key.replace('_', '-')}-1")
        for key in proof.scoped.declared
    }


def admits(proof: Proof, tags: dict[str, str]) -> bool:
    """Whether the trust policy lets somebody make a session with these tags and no others."""
    binding = Binding()
    trust, arn = binding.statements(proof.role.trust), binding.text(proof.role.arn)
    for minter, context, action in product(minters(proof, binding), _ways(proof, tags), ASSUME):
        policies = PolicySet(resource=as_caller(trust, minter))
        names = [action, TAG_SESSION] if tags else [action]
        # AWS says of the caller whose it is: the roles of the templates are of one account where nothing else is known.
        asked = {**context, "aws:PrincipalAccount": CALLER.split(":")[4], "aws:PrincipalArn": minter[1]}
        if all(decide(Request(name, arn, asked, principal=CALLER), policies).allowed for name in names):
            return True
    return False


def _ways(proof: Proof, tags: dict[str, str]) -> Iterator[dict[str, str | list[str]]]:
    """Yield how a session with these tags may be asked for: plainly, with tags to hand on, or with inherited ones."""
    context: dict[str, str | list[str]] = {**tag_context("aws:RequestTag/", tags), "aws:TagKeys": list(tags)}
    context |= _token_claims(proof) | keeping(proof.role, tags, Binding())
    yield context
    yield {**context, "sts:TransitiveTagKeys": list(tags)}
    name = tags.get(name_tag(proof.role) or "", "session")
    yield {**context, **tag_context("aws:PrincipalTag/", tags), "sts:RoleSessionName": name}


def _token_claims(proof: Proof) -> dict[str, str]:
    """Return what an ordinary token says beside its tags: the audience and subject that are trusted, and a name."""
    claims = {
        condition.key: text
        for condition in (c for s in proof.role.trust if s.allow for c in s.conditions)
        if "." in condition.key.partition(":")[0] and (text := plain(condition.values[0] if condition.values else ()))
    }
    return {**claims, "sts:SourceIdentity": "task-1"}


def own_key(pattern: Pattern, tags: dict[str, str], binding: Binding) -> str | None:
    """Return a key of a session, or None when the pattern needs more than its tags."""
    values = {key.lower(): value for key, value in tags.items()}
    pieces: list[str] = []
    for part in pattern:
        if isinstance(part, Variable):
            value = values.get(part.key.removeprefix(PRINCIPAL_TAG))
            if value is None:
                return None
            pieces.append(value)
        elif isinstance(part, Wildcard):
            pieces.append("x")
        else:
            pieces.append(binding.token(part) if isinstance(part, Token) else part)
    return "".join(pieces)


def own_requests(proof: Proof, store: Store, tags: dict[str, str]) -> Iterator[Request]:
    """Yield requests on the session's own keys of a store."""
    binding = Binding()
    arn = binding.text(store.arn)
    base = {key: binding.text(value) for key, value in proof.call("A", proof.admission("A").session).fixed.items()}
    context: dict[str, str | list[str]] = {**base, **tag_context("aws:PrincipalTag/", tags)}
    context |= keeping(proof.role, tags, binding)
    principal = binding.text(proof.role.arn)
    for pattern in proof.scoped.formats[store.id]:
        key = own_key(pattern, tags, binding)
        if key is None:
            continue
        if store.kind == "bucket":
            yield Request("s3:ListBucket", arn, {**context, "s3:prefix": key}, principal, "session")
        for action in of_sessions(store.kind):
            if store.kind == "table":
                yield Request(action, arn, {**context, "dynamodb:LeadingKeys": [key]}, principal, "session")
            else:
                yield Request(action, f"{arn}{store.before_key}{key}", context, principal, "session")


def samples(proof: Proof) -> list[dict[str, str]]:
    """Return a handful of admitted sessions that share some tags and not others, made once."""
    if proof.samples is None:
        proof.samples = _sessions(proof)
    return proof.samples


def _sessions(proof: Proof) -> list[dict[str, str]]:
    keys = [proof.scoped.spelling[key] for key in proof.scoped.declared]
    used = [key for key in keys if key.lower() in _used_tags(proof)] or keys
    rest = {key: "r" for key in keys if key not in used} | dict.fromkeys(used[4:], "a")
    found = [dict(zip(used[:4], values, strict=True)) | rest for values in product("ab", repeat=len(used[:4]))]
    for key in used:
        found += [{**found[0], key: value} for value in ("a/b", "a-b", "a.b", "ab")]
    found += [{key: value for key, value in found[0].items() if key != dropped} for dropped in used]
    found = [{key: fitting(proof.role, key.lower(), value) for key, value in tags.items()} for tags in found]
    if any(map(takes_pods_only, proof.role.trust)):
        return []  # what EKS passes is not the caller's choice
    return [tags for tags in found if admits(proof, tags)]


def _used_tags(proof: Proof) -> frozenset[str]:
    return frozenset(
        tag for formats in proof.scoped.formats.values() for pattern in formats for tag in tags_in(pattern)
    )


def differ(one: dict[str, str], two: dict[str, str], keys: frozenset[str]) -> bool:
    """Whether two sessions have different values for one of the keys."""
    first, second = ({key.lower(): value for key, value in tags.items()} for tags in (one, two))
    return any(first.get(key) != second.get(key) for key in keys)


def sample_crossing(proof: Proof, store: Store, apart: Callable[[Pattern], frozenset[str]]) -> Counterexample | None:
    """
    Try a few sessions on each other's keys.

    A crossing that is found needs no solver and reads better than one z3 makes up; none found proves nothing.
    """
    try:
        if not proof.scoped.formats[store.id]:
            return _shared_by_all(proof, store)
        return _crossing(proof, store, apart)
    except (UnmodelledOperatorError, TypeError):
        # Not every policy can be evaluated; the proof says what is not modelled.
        return None


def _crossing(proof: Proof, store: Store, apart: Callable[[Pattern], frozenset[str]]) -> Counterexample | None:
    binding = Binding()
    candidates = samples(proof)
    # Sessions differ in names only: a few callers against every victim are as good as all pairs.
    callers = candidates[:4]
    identity, resource = binding.statements(proof.role.identity), binding.statements(store.policy)
    boundary = None if proof.role.boundary is None else binding.statements(proof.role.boundary)
    for action in representative_actions([*identity, *(boundary or ()), *resource], of_sessions(store.kind)):
        policies = PolicySet(
            tuple(s for s in identity if covers_action(s, action)),
            None if boundary is None else tuple(s for s in boundary if covers_action(s, action)),
            tuple(s for s in resource if covers_action(s, action)),
        )
        if not any(s.allow for s in (*policies.identity, *policies.resource)):
            continue
        plain_requests = [(caller, _plain_request(proof, store, action, caller)) for caller in callers]
        for pattern, (caller, asked), victim in product(proof.scoped.formats[store.id], plain_requests, candidates):
            key = own_key(pattern, victim, binding)
            if key is None or not differ(caller, victim, apart(pattern)):
                continue
            for request in _requests(store, asked, (key, own_key(pattern, caller, binding))):
                decision = decide(request, policies)
                if decision.allowed:
                    return _found(store, caller, victim, request, decision)
    return None


def _shared_by_all(proof: Proof, store: Store) -> Counterexample | None:
    """Try one key from two sessions: in a store without a format, no key belongs to anybody."""
    what, keys, suffix = ("rows", ("x",), "") if store.kind == "table" else ("objects", (), f"{store.before_key}x")
    summary = f"sessions reach the same {what} in {store.label}; if that is meant, name the tenant's own with --store"
    candidates = samples(proof)
    other = next((tags for tags in candidates if differ(candidates[0], tags, proof.scoped.identity)), None)
    if other is None:
        return None
    for action in representative_actions(deciding_statements(proof.role, store), of_sessions(store.kind)):
        witness = Witness(action, store.arn, suffix, keys)
        found = attempt(proof, candidates[0], witness, summary, store.policy)
        if found and attempt(proof, other, witness, summary, store.policy):
            return replace(found, victim=other)
    return None


def _found(
    store: Store, caller: dict[str, str], victim: dict[str, str], request: Request, decision: Decision
) -> Counterexample:
    what = "the partition" if store.kind == "table" else "an object"
    return Counterexample(
        f"a session reaches {what} of another session in {store.label}",
        session=caller,
        victim=victim,
        action=request.action,
        resource=request.resource,
        context={key: value for key, value in request.context.items() if "LeadingKeys" in key},
        decided_by=decision.statement.where if decision.statement else "",
    )


def _plain_request(proof: Proof, store: Store, action: str, tags: dict[str, str]) -> Request:
    """Return a request of a session on a table or bucket as a whole."""
    binding = Binding()
    base = {key: binding.text(value) for key, value in caller_keys(proof.role).items()}
    context: dict[str, str | list[str]] = {**base, **tag_context("aws:PrincipalTag/", tags)}
    context |= keeping(proof.role, tags, binding)
    return Request(action, binding.text(store.arn), context, binding.text(proof.role.arn), "session")


def _requests(store: Store, asked: Request, keys: tuple[str, str | None]) -> Iterator[Request]:
    if store.kind != "table":
        yield replace(asked, resource=f"{asked.resource}{store.before_key}{keys[0]}")
        return
    for chosen in ([keys[0]], [keys[1], keys[0]], []):
        named = [key for key in chosen if key is not None]
        more: dict[str, str | list[str]] = {"dynamodb:LeadingKeys": named} if named else {}
        yield replace(asked, context={**asked.context, **more})


def sample_works(proof: Proof, store: Store) -> bool:
    """Whether an ordinary session is admitted and can do something with its own data in a store."""
    tags = sample_tags(proof)
    if not admits(proof, tags):
        return False
    binding = Binding()
    return any(
        replay(proof.role, request, binding, store.policy).allowed for request in own_requests(proof, store, tags)
    )


def sample_attempt(
    proof: Proof, action: str, arn: Text, inside: bool, store: Store | None, what: str, *, keyed: bool = True
) -> Counterexample | None:
    """
    Try an action with a few plain requests before the solver is asked for one.

    What this finds is a counterexample; finding none proves nothing.

    Args:
        proof: The role.
        action: The action.
        arn: What it acts on.
        inside: Whether it acts on something inside, such as an index or an object.
        store: The table, bucket or key, whose own policy counts as well. Default: nothing is known of it.
        what: What to say of it.
        keyed: Whether to try leading keys as well.
    """
    policy = store.policy if store else ()
    tags = samples(proof)[0] if proof.scoped.declared and samples(proof) else {}
    names: list[tuple[str, ...]] = [(), *((key,) for key in (*tags.values(), "x") if keyed)]
    for end, keys in product(_ends(proof, store, inside), names):
        if found := attempt(proof, tags, Witness(action, arn, end, keys), what, policy):
            return found
    return None


def _ends(proof: Proof, store: Store | None, inside: bool) -> list[str]:
    if not inside:
        return [""]
    if store is not None and store.kind == "table":
        return ["/index/x", "/stream/x"]
    tags = sample_tags(proof)
    keys = [own_key(pattern, tags, Binding()) for pattern in proof.scoped.formats.get(store.id, [])] if store else []
    mark = store.before_key if store else "/"
    return [f"{mark}x", *(f"{mark}{key}" for key in keys if key is not None)]
