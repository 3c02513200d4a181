"""Tables and buckets whose tags say whose they are, and who may change these tags."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from session_scoping.aws.effects import Effect, judgement
from session_scoping.verify.policies.actions import everything
from session_scoping.verify.policies.model import Deployment, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action
from session_scoping.verify.properties.base import Proof, deciding_statements
from session_scoping.verify.properties.outside.external_principals import is_trusted
from session_scoping.verify.scoping.selectors import named
from session_scoping.verify.symbolic.calls import is_resource_tag
from session_scoping.verify.symbolic.conditions import ResourceTagError

_TAGGING = tuple(
    action
    for action in everything()
    if Effect.TAG in judgement(action).effects and action.partition(":")[0] in {"dynamodb", "s3"}
)


def taggers_of(deployment: Deployment, trusted: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of roles and users that may change tags of tables, buckets or objects, or cannot be read."""
    policies = (
        *(role.statements for role in deployment.principals),
        *(store.policy for store in deployment.stores.values()),
    )
    asked = any(map(tags_asked, policies))
    return tuple(_taggers(deployment, trusted)) if asked else ()


def _taggers(deployment: Deployment, trusted: Sequence[str]) -> Iterator[str]:
    for role in deployment.principals:
        said = is_trusted(role.arn, trusted) or named(trusted, role.id, role.label)
        if not said and (role.problems or _may_tag(role.identity)):
            yield role.label


def _may_tag(statements: Iterable[Statement]) -> bool:
    granting = [statement for statement in statements if statement.allow]
    return any(s.problem or covers_action(s, action) for s in granting for action in _TAGGING)


def tags_asked(statements: Iterable[Statement]) -> list[str]:
    """Return the tags of resources that statements ask for, as condition keys in lower case."""
    keys = (condition.key.lower() for statement in statements for condition in statement.conditions)
    return sorted(set(filter(is_resource_tag, keys)))


def with_fixed_tags(proof: Proof, store: Store, error: ResourceTagError) -> tuple[Proof, tuple[str, ...]]:
    """
    Return a proof for whose sessions a table or an object has one value of each tag, and what that assumes.

    Raises:
        ResourceTagError: The templates do not give it the tags, or somebody may change them; or what is in it is
            elsewhere too, under other tags.
    """
    keys = tags_asked(deciding_statements(proof.role, store))
    fixed = all(_is_fixed(key, store) for key in keys)
    if not fixed or not store.made or store.replicated or store.copies or store.kind not in {"table", "bucket"}:
        raise error
    if store.id in proof.several:
        raise ResourceTagError(error.what, "sessions of several roles are granted it")
    who = f"the policy of {store.label}" if _may_tag(store.policy) else next(iter(proof.taggers), "")
    if who:
        word = who.rpartition("/")[2]
        raise ResourceTagError(error.what, f"{who} may change tags; --trusted {word} says that it does not")
    changed = f"nobody but who is trusted changes {', '.join(keys)} in {store.label}"
    return replace(proof, same_resource=True), (changed,)


def _is_fixed(key: str, store: Store) -> bool:
    """Whether nobody sets a tag but the template, or, of objects, who may tag them."""
    family, _, tag = key.partition("/")
    return (family == "aws:resourcetag" and tag in store.tags) or (
        family == "s3:existingobjecttag" and store.kind == "bucket"
    )
