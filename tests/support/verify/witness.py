"""Looks for a request that a change opens: one the independent simulator newly allows."""

from collections.abc import Iterable

from tests.support import simulator
from tests.support.verify.mutations import Mutation, Template, compute_roles, session_role
from tests.support.verify.probes import Probe, changed_actions, probes
from tests.support.world import World

# Enough to save round trips, few enough to stop early.
_CHUNK = 24


class Witnesses:
    """
    What a template allows, and what a changed version of it allows besides.

    Args:
        template: The template before any change.
    """

    def __init__(self, template: Template) -> None:
        self._session, self._compute = session_role(template), compute_roles(template)
        self._before = {probe.name: probe for probe in self._probes(World(template))}
        self._known: dict[str, bool] = {}

    def _probes(self, world: World) -> Iterable[Probe]:
        return probes(world, self._session, self._compute)

    def allowed_before(self) -> list[str]:
        """Return the names of the attempts that go through without any change."""
        return [name for name in self._before if self._was_allowed(name)]

    def opened_by(self, mutation: Mutation) -> str | None:
        """Return the name of an attempt that goes through after the change and did not before, or None."""
        groups: dict[int, list[Probe]] = {}
        for probe in self._probes(World(mutation.template, mutation.choices)):
            groups.setdefault(id(probe.policies), []).append(probe)
        for group in groups.values():
            touched = self._touched(group)
            for start in range(0, len(touched), _CHUNK):
                for probe in self._allowed(touched[start : start + _CHUNK]):
                    if not self._was_allowed(probe.name):
                        return probe.name
        return None

    def _touched(self, group: list[Probe]) -> list[Probe]:
        """Return the attempts that the change can decide differently; a group shares its policies."""
        before = self._before.get(group[0].name)
        patterns = {"*"} if before is None else changed_actions(before.policies, group[0].policies)
        # What went through before is not newly allowed, whatever is said of it now.
        return [probe for probe in group if probe.asks(patterns) and not self._known.get(probe.name)]

    def _was_allowed(self, name: str) -> bool:
        if name not in self._before:
            return False
        if name not in self._known:
            self._known[name] = bool(self._allowed([self._before[name]]))
        return self._known[name]

    def _allowed(self, group: list[Probe]) -> list[Probe]:
        """Return the attempts of a group, which share their policies, that go through."""
        if not group:
            return []
        asked = [item for probe in group for item in probe.requests]
        verdicts = simulator.ask(group[0].policies, asked, checked=True)
        through: list[Probe] = []
        for probe in group:
            mine, verdicts = verdicts[: len(probe.requests)], verdicts[len(probe.requests) :]
            through += [probe] if set(mine) == {"Allowed"} else []
        return through
