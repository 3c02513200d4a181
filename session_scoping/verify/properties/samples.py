"""One concrete session and its own keys: a witness that needs no solver."""

from collections.abc import Iterator

from session_scoping.verify.actions import ASSUME, KEYED, OBJECT
from session_scoping.verify.decision import PolicySet, Request, decide
from session_scoping.verify.model import Store
from session_scoping.verify.properties.base import Proof
from session_scoping.verify.properties.session_tags import CALLER, as_caller, minters
from session_scoping.verify.symbolic.calls import PRINCIPAL_TAG
from session_scoping.verify.symbolic.replay import Binding, replay, tag_context
from session_scoping.verify.symbolic.trust import TAG_SESSION
from session_scoping.verify.text import Pattern, Token, Variable, Wildcard


def sample_tags(proof: Proof) -> dict[str, str]:
    """Return the tags of an ordinary session."""
    return {proof.scoped.spelling[key]: f"{key.replace('_', '-')}-1" for key in proof.scoped.declared}


def admits(proof: Proof, tags: dict[str, str]) -> bool:
    """Whether the trust policy lets somebody make a session with these tags and no others."""
    binding = Binding(None)
    trust, arn = binding.statements(proof.role.trust), binding.text(proof.role.arn)
    context: dict[str, str | list[str]] = {**tag_context("aws:RequestTag/", tags), "aws:TagKeys": list(tags)}
    for minter in minters(proof, binding):
        policies = PolicySet(resource=as_caller(trust, minter))
        for action in ASSUME:
            names = [action, TAG_SESSION] if tags else [action]
            if all(decide(Request(name, arn, context, principal=CALLER), policies).allowed for name in names):
                return True
    return False


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
    binding = Binding(None)
    arn = binding.text(store.arn)
    base = {key: binding.text(value) for key, value in proof.call("A", proof.admission("A").session).fixed.items()}
    context: dict[str, str | list[str]] = {**base, **tag_context("aws:PrincipalTag/", tags)}
    principal = binding.text(proof.role.arn)
    for pattern in proof.scoped.formats[store.id]:
        key = own_key(pattern, tags, binding)
        if key is None:
            continue
        for action in KEYED if store.kind == "table" else OBJECT:
            if store.kind == "table":
                yield Request(action, arn, {**context, "dynamodb:LeadingKeys": [key]}, principal, "session")
            else:
                yield Request(action, f"{arn}/{key}", context, principal, "session")


def sample_works(proof: Proof, store: Store) -> bool:
    """Whether an ordinary session is admitted and can do something with its own data in a store."""
    tags = sample_tags(proof)
    if not admits(proof, tags):
        return False
    binding = Binding(None)
    return any(
        replay(proof.role, request, binding, store.policy).allowed for request in own_requests(proof, store, tags)
    )
