"""What a question is asked without: comparisons of strings it is not about."""

import pytest
import z3

from session_scoping.verify.symbolic.solver import only_about, solve

X, Y, REGION = z3.String("x"), z3.String("y"), z3.String("token region")
A, B = z3.StringVal("a"), z3.StringVal("b")
P = z3.Bool("p")
IS_A, IS_B, ALIKE = A == X, B == Y, Y == X


@pytest.mark.parametrize(
    "formula",
    [z3.And(IS_A, IS_B), z3.Not(z3.Or(IS_A, IS_B)), z3.Implies(P, z3.And(IS_A, z3.Not(ALIKE))), z3.Or(ALIKE, P)],
)
def test_a_question_with_an_answer_has_one_without_what_is_left_out(formula: z3.BoolRef) -> None:
    """What is left out may be true or false at will, so that it takes no model away."""
    assert solve(formula) is not None
    assert solve(only_about(formula, {"x"})) is not None


def test_what_the_question_is_about_refutes_it() -> None:
    """The string that counts is compared as before, and a comparison that is left out is the same one each time."""
    about = z3.And(z3.Concat(A, REGION) == X, z3.Not(z3.PrefixOf(A, X)))
    assert solve(only_about(z3.And(about, IS_B), {"x"})) is None
    assert solve(only_about(z3.And(z3.Or(P, ALIKE), z3.Not(ALIKE), z3.Not(P)), {"x"})) is None
    assert solve(about, IS_B, about=["x"]) is None


@pytest.mark.parametrize("about", [(), ("x",), ("y",), ("neither",)])
def test_an_answer_does_not_depend_on_what_is_tried_first(about: tuple[str, ...]) -> None:
    """A model satisfies all of the question, and what only the rest refutes is refuted."""
    model = solve(IS_A, z3.Not(ALIKE), about=about)
    assert model is not None
    assert z3.is_false(model.eval(ALIKE, model_completion=True))
    assert solve(IS_A, IS_B, ALIKE, about=about) is None
