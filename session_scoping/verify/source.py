"""What an adopter's test hands over: a template in any of the forms a test has it in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.links import link
from session_scoping.verify.reading import OddInputError, ordinary
from session_scoping.verify.scope import Scope
from session_scoping.verify.template import load


class HasTemplate(Protocol):
    """Something that gives its template, such as `aws_cdk.assertions.Template`."""

    def to_json(self) -> Any:
        """Return the template, parsed."""


Source = Mapping[str, Any] | str | Path | HasTemplate
"""A parsed template, the path of a template or a cdk.out directory, or an object with `to_json()`."""


def scopes_of(source: Source) -> list[Scope]:
    """
    Return the stacks of a source.

    Raises:
        InvalidInputError: It is no template, or cannot be read.
    """
    to_json = getattr(source, "to_json", None)
    content = to_json() if callable(to_json) else source
    if isinstance(content, str | Path):
        return load(Path(content))
    if isinstance(content, Mapping) and isinstance(content.get("Resources"), Mapping):
        return link([Scope("Template", _plain(content))])
    raise InvalidInputError(
        "there is no template to verify",
        got=f"a {type(content).__name__}" + (" without Resources" if isinstance(content, Mapping) else ""),
        expected="a parsed template, a path, or an object with to_json()",
        why="nothing to check is not a pass",
        fix="pass Template.from_stack(stack) or the path of cdk.out",
    )


def _plain(template: Mapping[str, Any]) -> dict[str, Any]:
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
