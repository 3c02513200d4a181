"""
Assertions and fixtures for an adopter's own tests.

    from session_scoping.testing import assert_sessions_isolated

    def test_sessions_cannot_reach_each_other(template):
        assert_sessions_isolated(template)

The fixture that holds real boto3 calls against the synthesized policies is in `session_scoping.enforcement`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from session_scoping.errors import InvalidInputError

if TYPE_CHECKING:
    from session_scoping.verify.report import Report

Source = Mapping[str, Any] | str | Path
"""A parsed template, or the path of a template or a cdk.out directory. A CDK `Stack` or `Template` works too."""


def verify(source: Source | object, **scope: Any) -> "Report":
    """
    Prove a template and return the report.

    Args:
        source: A parsed template, a path, or anything with `to_json()` such as `aws_cdk.assertions.Template`.
        scope: What `session_scoping.verify.Options` takes. Default: everything is inferred.

    Raises:
        InvalidInputError: The source is none of these, or cannot be read.
        MissingExtraError: The extra `verify` is not installed.
    """
    from session_scoping.verify.command import require_extra

    require_extra()
    from session_scoping.verify.collecting import collect
    from session_scoping.verify.infer import Options
    from session_scoping.verify.links import link
    from session_scoping.verify.proving import prove
    from session_scoping.verify.scope import Scope
    from session_scoping.verify.template import load

    to_json = getattr(source, "to_json", None)
    content = to_json() if callable(to_json) else source
    if isinstance(content, str | Path):
        scopes = load(Path(content))
    elif isinstance(content, Mapping) and isinstance(content.get("Resources"), Mapping):
        scopes = link([Scope("Template", _plain(content))])
    else:
        raise InvalidInputError(
            "there is no template to verify",
            got=f"a {type(content).__name__}" + (" without Resources" if isinstance(content, Mapping) else ""),
            expected="a parsed template, a path, or an object with to_json()",
            why="nothing to check is not a pass",
            fix="pass Template.from_stack(stack) or the path of cdk.out",
        )
    return prove(collect(scopes), Options(**scope))


def _plain(template: Mapping[str, Any]) -> dict[str, Any]:
    from session_scoping.verify.reading import OddInputError, ordinary

    try:
        found: dict[str, Any] = ordinary(template)
    except OddInputError as error:
        raise InvalidInputError(
            "the template cannot be read",
            got=str(error),
            expected="what JSON can hold",
            why="CloudFormation would not deploy it",
            fix="pass the template as `cdk synth` writes it",
        ) from error
    return found


def assert_sessions_isolated(source: Source | object, **scope: Any) -> None:
    """
    Fail unless every property of every session role is PROVED.

    A template without a session role fails: nothing to check is not a pass.

    Args:
        source: As `verify`.
        scope: As `verify`.

    Raises:
        AssertionError: A property is VIOLATED, UNKNOWN or VACUOUS. The message shows the counterexample.
        InvalidInputError: As `verify`.
        MissingExtraError: As `verify`.
    """
    __tracebackhide__ = True
    failures = verify(source, **scope).failures()
    if failures:
        lines: list[str] = []
        for result in failures:
            detail, *others = result.lines()
            lines.append(f"{result.status.value} {result.rule} of {result.subject}: {detail}")
            lines += [f"    {line}" for line in others]
        raise AssertionError("sessions are not isolated\n" + "\n".join(lines))
