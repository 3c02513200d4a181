"""
Assertions and fixtures for an adopter's own tests.

    from session_scoping.testing import assert_sessions_isolated

    def test_sessions_cannot_reach_each_other(template):
        assert_sessions_isolated(template)

The fixture that checks real boto3 calls against the synthesized policies is in `session_scoping.testing.enforcement`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from session_scoping.verify.report import Report
    from session_scoping.verify.source import Source


def verify(source: "Source", **scope: Any) -> "Report":
    """
    Prove a template and return the report.

    Args:
        source: A parsed template, a path, or anything with `to_json()` such as `aws_cdk.assertions.Template`.
        scope: What `session_scoping.verify.Options` takes. Default: everything is inferred.

    Raises:
        InvalidInputError: The source is none of these, or cannot be read.
        MissingExtraError: The extra `verify` is not installed.
    """
    from session_scoping.commands.verify import require_extra

    require_extra()
    from session_scoping.verify.collecting import collect
    from session_scoping.verify.infer import Options
    from session_scoping.verify.proving import prove
    from session_scoping.verify.source import scopes_of

    return prove(collect(scopes_of(source)), Options(**scope))


def assert_sessions_isolated(source: "Source", **scope: Any) -> None:
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
