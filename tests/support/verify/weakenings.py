"""Every weakening of a template, generated from the template itself."""

from collections.abc import Iterator

from tests.support.verify.mutations import Mutation, Template
from tests.support.verify.weaken_additions import additions
from tests.support.verify.weaken_allow import allow_weakenings
from tests.support.verify.weaken_trust import trust_weakenings


def weakenings(template: Template) -> Iterator[Mutation]:
    """Yield weakened versions of a template, each with one thing changed."""
    yield from trust_weakenings(template)
    yield from allow_weakenings(template)
    yield from additions(template)


def one_of_each_kind(mutations: list[Mutation]) -> list[Mutation]:
    """Return one mutation of each kind, not always the first; grants of different actions are one kind."""
    kinds: dict[str, list[Mutation]] = {}
    for mutation in mutations:
        kinds.setdefault(mutation.kind.partition(" grant ")[0], []).append(mutation)
    return [found[len(found) // 2] for found in kinds.values()]
