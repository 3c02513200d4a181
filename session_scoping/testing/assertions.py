"""
Assertions and fixtures for an adopter's own tests.

    from session_scoping.testing import assert_sessions_isolated

    def test_sessions_cannot_reach_each_other(template):
        assert_sessions_isolated(template)

The fixture that checks real boto3 calls against the synthesized policies is in `session_scoping.testing.enforcement`.
"""

from typing import TYPE_CHECKING, Any

from session_scoping.verify import verify

if TYPE_CHECKING:
    from session_scoping.verify.files.source import Source


def assert_sessions_isolated(source: "Source", **options: Any) -> None:
    """
    Fail unless every property of every session role is PROVED.

    A template without a session role fails: nothing to check is not a pass. So does a report that is partial.

    Args:
        source: As `session_scoping.verify.verify`.
        options: Its keyword arguments. Default: everything is inferred.

    Raises:
        AssertionError: A property is VIOLATED, UNKNOWN or VACUOUS, or was not asked. The message shows the
            counterexample.
        InvalidInputError: As `verify`.
        MissingExtraError: As `verify`.
    """
    __tracebackhide__ = True
    report = verify(source, **options)
    if not report.proved:
        lines = [f"PARTIAL: {report.partial}"] if report.partial else []
        for result in report.failures():
            detail, *others = result.lines()
            lines.append(f"{result.status.value} {result.rule} of {result.subject}: {detail}")
            lines += [f"    {line}" for line in others]
        lines += [f"EXPIRED: {option}" for option in report.options if option.expired]
        raise AssertionError("sessions are not isolated\n" + "\n".join(lines))
