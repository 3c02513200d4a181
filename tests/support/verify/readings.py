"""
Where the independent simulator reads a policy differently from AWS's words, or where AWS is silent.

Each reading rewrites a policy, for one request, into one that says in documented words what the simulator makes of it.
`decide` on the rewritten policies must give the simulator's verdict on every request, so that no disagreement is
explained by anything but these five. The prover relies on neither side of any of them.
"""

import copy
import re
from collections.abc import Callable, Mapping
from typing import Any

Policy = dict[str, Any]
Context = Mapping[str, Any]
Reading = Callable[[Policy, Context], Policy]

_VARIABLE = re.compile(r"\$\{([^}*?$,]+?)(?:, '([^']*)')?\}")
_NEVER = "no request holds this text"


def old_version(policy: Policy, _: Context) -> Policy:
    """
    Variables are filled in whatever the Version.

    AWS: variables came with Version 2012-10-17; in an earlier version, and without one, `${...}` is literal text.
    Source: IAM reference_policies_elements_version, reference_policies_variables.
    """
    return {**policy, "Version": "2012-10-17"}


def negated_missing(policy: Policy, context: Context) -> Policy:
    """
    A negated operator does not match when one of its values holds a variable that is missing.

    AWS: with a missing variable the value matches nothing, and a negated operator is true where nothing matches.
    Source: IAM reference_policies_variables, policy variables with no value.
    """
    if policy.get("Version") != "2012-10-17":
        return policy

    def change(operator: str, key: str, values: list[str]) -> tuple[str, str, list[str]]:
        if "Not" not in operator or not any(_missing(value, context) for value in values):
            return operator, key, values
        # Where the key itself is missing the operator never looks at its values.
        return ("Bool", "zz:never", ["true"]) if operator.startswith("ForAnyValue") else ("Null", key, ["true"])

    return _conditions(policy, change)


def any_value_if_exists(policy: Policy, _: Context) -> Policy:
    """
    ForAnyValue is false for a missing key, with IfExists as without.

    AWS: IfExists makes a condition true when the key is not in the request; no page says what it does to ForAnyValue.
    Source: IAM reference_policies_elements_condition_operators, IfExists condition operators.
    """

    def change(operator: str, key: str, values: list[str]) -> tuple[str, str, list[str]]:
        return (operator.removesuffix("IfExists") if operator.startswith("ForAnyValue") else operator), key, values

    return _conditions(policy, change)


def empty_variable(policy: Policy, context: Context) -> Policy:
    """
    A variable whose value is empty gives its default, and without one makes its text match nothing.

    AWS: defaults stand in for a key that is missing; no page speaks of a key that is there and empty.
    Source: IAM reference_policies_variables, specifying default values.
    """
    if policy.get("Version") != "2012-10-17":
        return policy

    def fill(found: re.Match[str]) -> str:
        if _value(found[1], context) != "":
            return found[0]
        return found[2] or _NEVER

    def walk(value: Any) -> Any:
        if isinstance(value, str):
            return _VARIABLE.sub(fill, value)
        if isinstance(value, dict):
            return {key: walk(part) for key, part in value.items()}
        return [walk(part) for part in value] if isinstance(value, list) else value

    return walk(policy)  # type: ignore[no-any-return]


def missing_in_not_resource(policy: Policy, context: Context) -> Policy:
    """
    A statement whose NotResource has an entry with a missing variable applies to nothing of that entry's service.

    AWS: an entry with a missing variable matches nothing; what follows for the statement as a whole is not said.
    `decide` takes the entry for a wildcard there and looks at its other text as well.
    Source: IAM reference_policies_variables, policy variables with no value.
    """
    if policy.get("Version") != "2012-10-17":
        return policy
    changed = copy.deepcopy(policy)
    for statement in changed["Statement"]:
        if "NotResource" in statement:
            entries = statement["NotResource"]
            entries = entries if isinstance(entries, list) else [entries]
            read = [":".join([*entry.split(":")[:5], "*"]) if _missing(entry, context) else entry for entry in entries]
            statement["NotResource"] = read if read != entries else statement["NotResource"]
    return changed


READINGS: tuple[Reading, ...] = (
    old_version, empty_variable, negated_missing, any_value_if_exists, missing_in_not_resource,
)  # fmt: skip


def as_the_simulator_reads(policy: Policy, context: Context) -> Policy:
    """Return the policy in the simulator's reading of it for one request."""
    for reading in READINGS:
        policy = reading(policy, context)
    return policy


def _value(key: str, context: Context) -> Any:
    return next((value for name, value in context.items() if name.lower() == key.lower()), None)


def _missing(text: str, context: Context) -> bool:
    """Whether a text holds a variable without default that has no single value in the request."""
    return any(
        found[2] is None and not isinstance(_value(found[1], context), str) for found in _VARIABLE.finditer(text)
    )


def _conditions(policy: Policy, change: Callable[[str, str, list[str]], tuple[str, str, list[str]]]) -> Policy:
    changed = copy.deepcopy(policy)
    for statement in changed["Statement"]:
        found: list[tuple[str, str, list[str]]] = []
        for operator, keys in statement.get("Condition", {}).items():
            for key, values in keys.items():
                found.append(change(operator, key, values if isinstance(values, list) else [values]))
        merged: dict[str, dict[str, list[str]]] = {}
        # Two entries that became one operator and key differ in nothing: both ask for the same.
        for operator, key, values in found:
            merged.setdefault(operator, {})[key] = values
        if "Condition" in statement and found != _listed(statement["Condition"]):
            statement["Condition"] = merged
    return changed


def _listed(block: dict[str, dict[str, Any]]) -> list[tuple[str, str, list[str]]]:
    return [
        (operator, key, values if isinstance(values, list) else [values])
        for operator, keys in block.items()
        for key, values in keys.items()
    ]
