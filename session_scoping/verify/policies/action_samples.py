"""
The actions a role's grants are tried with: those listed in `actions`, and those that stand for what no list has.

A boundary, or a Deny with exceptions, tells apart what one grant covers: `sqs:*` under a boundary that names
`sqs:SendMessage` comes to that action alone. So whatever limits a role is looked through for actions too.
"""

from collections.abc import Iterable
from functools import lru_cache
from string import ascii_lowercase

from session_scoping.aws.table import tabled_services
from session_scoping.verify.patterns.matching import action_matches
from session_scoping.verify.policies.actions import covers_listed, gains_nothing, instance_of, is_listed
from session_scoping.verify.policies.model import Role, Statement
from session_scoping.verify.policies.statement_queries import covers_action


def limits_of(role: Role) -> tuple[str, ...]:
    """Return the action patterns of whatever takes away from a role's grants."""
    limiting = [s for s in role.statements if not s.allow] + list(role.boundary or ())
    return tuple(dict.fromkeys(p for s in limiting for p in (*(s.actions or ()), *s.not_actions)))


def unlisted(statement: Statement, limits: Iterable[str]) -> list[str]:
    """
    Return actions that stand for those a statement covers and no list has.

    INVARIANT: where wildcards stand at the ends of patterns, of two that meet one covers the other. An example of each
    that the statement covers is then an example of every set of them that meets.

    Args:
        statement: A grant.
        limits: Action patterns that tell apart what it covers.
    """
    own = ("*",) if statement.actions is None else statement.actions
    found = [instance_of(pattern) for pattern in own if _says_more(pattern)]
    found += [_of_another_service(statement.not_actions)] if statement.actions is None else []
    for pattern in own:
        both = ((limit, meet(pattern, limit)) for limit in limits if _says_more(pattern) or _says_more(limit))
        found += [action for _, action in both if action]
    return [
        action
        for action in dict.fromkeys(found)
        if covers_action(statement, action) and not is_listed(action) and not gains_nothing(action)
    ]


def _of_another_service(named: Iterable[str]) -> str:
    """Return an action of a service that no list and none of some patterns names, unless one names them all."""
    taken = tuple(named)
    longer = "z" * (1 + max((len(pattern.partition(":")[0]) for pattern in taken), default=0))
    others = (f"{letter}{longer}:{instance_of('*')}" for letter in ascii_lowercase)
    return next((action for action in others if not any(action_matches(p, action) for p in taken)), f"z{longer}:")


def further(statements: Iterable[Statement], limits: Iterable[str], service: str) -> list[str]:
    """Return the actions of a service that grants cover and the table lacks."""
    limits = tuple(limits)
    found = [action for s in statements if s.allow for action in unlisted(s, limits)]
    return [action for action in dict.fromkeys(found) if action.lower().startswith(f"{service}:")]


def _says_more(pattern: str) -> bool:
    """Whether a pattern covers actions that nothing listed stands for."""
    service, colon, _ = pattern.partition(":")
    return not covers_listed(pattern) or (bool(colon) and service.lower() not in tabled_services())


@lru_cache(maxsize=65536)
def meet(one: str, other: str) -> str | None:
    """Return an action that two patterns both cover; None when there is none."""
    ways, seen = [(0, 0, "")], set[tuple[int, int]]()
    while ways:
        i, j, text = ways.pop()
        if (i, j) in seen:
            continue
        seen.add((i, j))
        mine, theirs = one[i : i + 1], other[j : j + 1]
        if not mine and not theirs:
            return text
        # The last way is tried first: letters for a wildcard before none, so that no name is hit by chance.
        ways += [(i + 1, j, text)] if mine == "*" else []
        ways += [(i, j + 1, text)] if theirs == "*" else []
        if mine == theirs == "*":
            ways.append((i + 1, j + 1, text + instance_of("*")))
        elif mine and theirs and (letter := _letter(mine, theirs)):
            ways.append((i + (mine != "*"), j + (theirs != "*"), text + letter))
    return None


def _letter(mine: str, theirs: str) -> str | None:
    if mine not in "*?" and theirs not in "*?" and mine.lower() != theirs.lower():
        return None
    return next((sign for sign in (mine, theirs) if sign not in "*?"), instance_of("?"))
