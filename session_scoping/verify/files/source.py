"""Reads what is to be verified, in any of the forms a caller has it in, and never runs anything it reads."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.files.assembly import StackFile, left_unread, stacks_under
from session_scoping.verify.files.odd_input import OddInputError, ordinary
from session_scoping.verify.files.reading import read_json, read_template, template_from_text, template_in
from session_scoping.verify.intrinsics.exports import link
from session_scoping.verify.intrinsics.scope import Scope, existence

_NESTING_MAX = 8


def load(path: Path, parameters: Mapping[str, str] | None = None) -> list[Scope]:
    """
    Return one scope per stack under a path, nested stacks included, with their exports known to each other.

    Raises:
        InvalidInputError: Something that looks like a template cannot be read, or nothing does.
    """
    stacks = stacks_under(path)
    read: list[tuple[StackFile, list[Scope]]] = []
    several = len({stack.environment for stack in stacks}) > 1
    for stack in stacks:
        scope = Scope(
            stack.name,
            stack.template,
            # Stacks whose Region and account differ must not share the tokens that stand for them.
            env=f"@{stack.environment}" if several else "",
            stack_name=stack.stack_name,
            deployed_as=stack.deployed_as,
            account=stack.account,
            region=stack.region,
            file=stack.file,
            tags=((list(stack.tags), None),),
        )
        scope.arguments = {key: (value, None) for key, value in (parameters or {}).items()}
        read.append((stack, [scope, *nested_scopes(scope, stack.file.parent)]))
    scopes = [scope for tree in _tops(read) for scope in tree]
    scopes[0].notes |= set(left_unread(path, {scope.file.resolve() for scope in scopes if scope.file}))
    return link(scopes)


def _tops(read: list[tuple[StackFile, list[Scope]]]) -> list[list[Scope]]:
    """Leave out what is read as a nested stack already; templates that hold each other are no reason to lose both."""
    below = [{scope.file.resolve() for scope in tree[1:] if scope.file} for _, tree in read]
    own = [None if stack.deployed_as else stack.file.resolve() for stack, _ in read]
    roots = {one for one, file in enumerate(own) if not any(file in files for files in below)}
    covered = set[Path]().union(*(below[one] for one in roots))
    return [tree for one, (_, tree) in enumerate(read) if one in roots or own[one] not in covered]


def nested_scopes(scope: Scope, directory: Path, *, above: tuple[Path, ...] = ()) -> list[Scope]:
    """Read the nested stacks of a stack whose templates lie beside its own, and make them its children."""
    found: list[Scope] = []
    for logical_id, resource in scope.resources.items():
        if resource.get("Type") != "AWS::CloudFormation::Stack":
            continue
        file, template = _nested_template(logical_id, scope, directory)
        # A template that holds itself deploys nowhere; what is not read is UNKNOWN.
        if file is None or template is None or file in above or len(above) > _NESTING_MAX:
            continue
        child = Scope(
            f"{scope.name}/{logical_id}",
            template,
            env=scope.env,
            account=scope.account,
            region=scope.region,
            given=existence(logical_id, scope),
            file=file,
            tags=((scope.properties(logical_id).get("Tags", []), scope), *scope.tags),
        )
        arguments = scope.properties(logical_id).get("Parameters")
        child.arguments = {
            key: (value, scope) for key, value in (arguments.items() if isinstance(arguments, dict) else ())
        }
        scope.children[logical_id] = child
        found += [child, *nested_scopes(child, directory, above=(*above, file))]
    return found


def _nested_template(logical_id: str, scope: Scope, directory: Path) -> tuple[Path | None, dict[str, Any] | None]:
    """Return the file and the template of a nested stack, each None where it is not found."""
    if file := _nested_file(logical_id, scope, directory):
        return file, read_template(file)
    file = _file_by_path(
        scope.properties(logical_id).get("TemplateURL"), scope.file.parent if scope.file else directory
    )
    return file, template_in(file) if file else None


def _file_by_path(url: Any, directory: Path) -> Path | None:
    """
    Return the file at a relative path, which may lead upward.

    Source:
        AWS CLI `cloudformation package`: the TemplateURL of a nested stack may be a path, relative to its template.
    """
    if not isinstance(url, str) or "://" in url:
        return None
    try:
        file = (directory / url).resolve()
        return file if not Path(url).is_absolute() and file.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def _nested_file(logical_id: str, scope: Scope, directory: Path) -> Path | None:
    """Return the template of a nested stack, or None when it is not in the assembly."""
    metadata = scope.resources[logical_id].get("Metadata")
    asset = metadata.get("aws:asset:path") if isinstance(metadata, dict) else None
    asset = asset or _asset_of(json.dumps(scope.properties(logical_id).get("TemplateURL")), directory)
    if not asset:
        return None
    try:
        file = (directory / str(asset)).resolve()
        # A template outside the assembly is not ours to read: the path comes from the template itself.
        return file if directory.resolve() in file.parents and file.exists() else None
    except (OSError, ValueError, RuntimeError):
        # Too long for a path, a NUL in it, or links in a circle.
        return None


def _asset_of(url: str, directory: Path) -> str | None:
    """Return the file a nested stack's URL stands for: CDK names the asset by its hash and lists it."""
    for manifest in sorted(directory.glob("*.assets.json")):
        try:
            for digest, entry in read_json(manifest).get("files", {}).items():
                if digest in url:
                    return str(entry["source"]["path"])
        except (InvalidInputError, KeyError, AttributeError, TypeError):
            continue
    return None


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
    Return the stacks of a source; a parameter that is not given a value may hold anything.

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
