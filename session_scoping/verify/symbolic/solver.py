"""Asks z3, with a time limit and a fixed seed, and never takes "don't know" for an answer."""

import z3

from session_scoping.verify.symbolic.conditions import UnmodelledError
from session_scoping.verify.symbolic.strings import Bool, conjunction

TIMEOUT_MS = 8_000
"""How long one question may take. A question z3 does not answer in time makes the property UNKNOWN."""


def solve(*formulas: Bool) -> z3.ModelRef | None:
    """
    Return a model of all formulas together, or None when there is none.

    Raises:
        UnmodelledError: z3 gave up.
    """
    question = conjunction(list(formulas))
    if z3.is_false(question):
        return None
    solver = z3.Solver()
    solver.set("timeout", TIMEOUT_MS)
    solver.set("random_seed", 0)
    solver.add(question)
    answer = solver.check()
    if answer == z3.unsat:
        return None
    if answer == z3.sat:
        return solver.model()
    raise UnmodelledError(f"z3 found no answer in {TIMEOUT_MS // 1000} s ({solver.reason_unknown()})")
