"""Reads what is to be verified, in any of the forms a caller has it in."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.files.odd_input import OddInputError, ordinary
from session_scoping.verify.files.reading import template_from_text
from session_scoping.verify.files.template import load
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.intrinsics.stack_outputs import link


class HasTemplate(Protocol):
    """Something that gives its template, such as `aws_cdk.assertions.Template`."""

    def to_json(self) -> Any:
        """Return the template, parsed."""


Source = Mapping[str, Any] | str | Path | HasTemplate
"""
What is to be verified: a path, a parsed template, its text, or an object with `to_json()`.

A path is a `Path` or a `str`, of one template or of a cdk.out directory. A `str` with a newline in it, or one that
begins with `{` after blanks, is never taken for a path: it is the text of a template, JSON or YAML.
"""


def is_template_text(text: str) -> bool:
    """Whether a `str` is the text of a template, and not a path."""
    return "\n" in text or text.removeprefix("\ufeff").lstrip().startswith("{")


def scopes_of(source: Source, parameters: Mapping[str, str] | None = None) -> list[Scope]:
    """
    Return the stacks of a source.

    Args:
        source: What is to be verified.
        parameters: Values of template parameters. Default: a parameter may hold anything.

    Raises:
        InvalidInputError: It is no template, or cannot be read.
    """
    to_json = getattr(source, "to_json", None)
    content = to_json() if callable(to_json) else source
    if isinstance(content, str) and is_template_text(content):
        content = template_from_text(content)
    if isinstance(content, Path) or (isinstance(content, str) and content.strip()):
        return load(Path(content), parameters)
    if isinstance(content, Mapping) and isinstance(content.get("Resources"), Mapping):
        scope = Scope("Template", _plain(content))
        scope.arguments = {key: (value, None) for key, value in (parameters or {}).items()}
        return link([scope])
    raise InvalidInputError(
        "there is no template to verify",
        got="empty text" if isinstance(content, str) else _kind(content),
        expected="a parsed template, its text, a path, or an object with to_json()",
        why="nothing to check is not a pass",
        fix="pass Template.from_stack(stack) or the path of cdk.out",
    )


def _kind(content: object) -> str:
    return f"a {type(content).__name__}" + (" without Resources" if isinstance(content, Mapping) else "")


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
