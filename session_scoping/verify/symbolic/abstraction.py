"""Leaves out of a question what it is not about: fewer strings, for z3 to refute at once."""

from collections.abc import Collection

import z3

from session_scoping.verify.symbolic.strings import Bool

_CONNECTIVES = {z3.Z3_OP_AND, z3.Z3_OP_OR, z3.Z3_OP_NOT, z3.Z3_OP_IMPLIES}


def only_about(formula: Bool, names: Collection[str]) -> Bool:
    """
    Return a formula that a formula implies, and that compares no string but those named.

    Each other comparison may be true or false at will, the same comparison in the same way. Without a model of what
    is returned, the formula has none either; a model of it says nothing.

    Args:
        formula: The question.
        names: The names of the strings it is about.
    """
    if z3.is_app(formula) and formula.decl().kind() in _CONNECTIVES:
        inner = [only_about(child, names) for child in formula.children()]
        return formula.decl()(*inner)
    if _strings_in(formula) - set(names):
        return z3.Bool(f"some {formula.get_id()}")
    return formula


def _strings_in(term: z3.ExprRef) -> set[str]:
    """Return the names of the strings a term is made of, deploy-time values left out."""
    if z3.is_const(term) and term.decl().kind() == z3.Z3_OP_UNINTERPRETED:
        name = str(term.decl().name())
        return {name} if z3.is_string(term) and not name.startswith("token ") else set()
    return set[str]().union(*map(_strings_in, term.children()))
