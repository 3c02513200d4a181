"""Every weakening of a template, generated from the template itself."""

from collections.abc import Callable, Iterator

from tests.support.verify.mutations import (
    Body,
    Mutation,
    Template,
    documents,
    edit,
    listed,
    session_role,
    statements,
    suffixed,
    trust,
)
from tests.support.verify.weaken_additions import additions
from tests.support.verify.weaken_allow import allow_weakenings, service_of
from tests.support.verify.weaken_statement import Weakening
from tests.support.verify.weaken_trust import strangers, trust_weakenings
from tests.support.world import World


def weakenings(template: Template) -> Iterator[Mutation]:
    """Yield weakened versions of a template, each with one thing changed."""
    role, world = session_role(template), World(template)
    for index, statement in enumerate(trust(template)):
        for one in trust_weakenings(statement, world):
            yield _with(template, one, f"trust[{index}]", "trust", lambda t, i=index: trust(t)[i])  # type: ignore[misc]
    yield from strangers(template)
    for index, statement in enumerate(statements(template, role, "Allow")):
        name, kind = f"allow[{index}] {statement.get('Sid', '')}", f"allow {service_of(statement)}"
        for one in allow_weakenings(statement, world):
            yield _with(template, one, name, kind, lambda t, i=index: statements(t, role, "Allow")[i])  # type: ignore[misc]
        if service_of(statement) == "dynamodb":
            yield _index_without_condition(template, role, name, statement)
    yield from _versions(template, role)
    yield from additions(template)


def _with(template: Template, one: Weakening, name: str, kind: str, find: Callable[[Template], Body]) -> Mutation:
    """Put a weakened statement in the place of the one it is made of."""

    def change(changed: Template) -> None:
        place = find(changed)
        place.clear()
        place.update(one.statement)

    return edit(template, f"{name} {one.name}", change, f"{kind}: {one.kind}")


def _index_without_condition(template: Template, role: str, name: str, statement: Body) -> Mutation:
    index = suffixed(listed(statement["Resource"])[0], "/index/by-user")
    bare = {"Effect": "Allow", "Action": "dynamodb:Query", "Resource": index}
    return edit(
        template,
        f"{name} index without condition",
        lambda t: documents(t, role)[0]["Statement"].append(bare),
        "allow dynamodb: index without condition",
    )


def _versions(template: Template, role: str) -> Iterator[Mutation]:
    for index, document in enumerate(documents(template, role)):
        if not any(s["Effect"] == "Allow" for s in listed(document["Statement"])):
            continue
        yield edit(
            template,
            f"policy[{index}] no Version",
            lambda t, i=index: documents(t, role)[i].pop("Version"),  # type: ignore[misc]
            "policy: no Version",
        )
        yield edit(
            template,
            f"policy[{index}] old Version",
            lambda t, i=index: documents(t, role)[i].update(Version="2008-10-17"),  # type: ignore[misc]
            "policy: old Version",
        )


def one_of_each_kind(mutations: list[Mutation]) -> list[Mutation]:
    """Return one mutation of each kind, not always the first; grants of different actions are one kind."""
    kinds: dict[str, list[Mutation]] = {}
    for mutation in mutations:
        kinds.setdefault(mutation.kind.partition(" grant ")[0], []).append(mutation)
    return [found[len(found) // 2] for found in kinds.values()]
