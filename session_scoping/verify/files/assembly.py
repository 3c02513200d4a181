"""Which stacks lie under a path, and what looks like one there and is not read."""

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.files.reading import looks_like_template, read_json, read_template, template_in, unreadable

SUFFIXES = (".json", ".template", ".yaml", ".yml")
_NESTED = ".nested.template.json"
_STACK = "aws:cloudformation:stack"
_STACK_TAGS = "aws:cdk:stack-tags"


@dataclass(frozen=True)
class StackFile:
    """
    One stack to verify.

    Attributes:
        name: What reports call it; no two stacks have the same.
        stack_name: The name it is deployed under, which stacks in other Regions and accounts may share.
        environment: Account and Region as CDK writes them, `aws://account/region`; empty where nothing says it.
        artifact: What the manifest, or the directory, calls it.
        deployed_as: The name it is deployed under where a manifest says it; a file's name alone says nothing for sure.
        tags: What CloudFormation tags every resource of the stack with, where a manifest says it; as in `Tags`.
    """

    name: str
    stack_name: str
    file: Path
    template: dict[str, Any]
    environment: str = ""
    artifact: str = ""
    deployed_as: str = ""
    tags: tuple[dict[str, Any], ...] = ()

    @property
    def account(self) -> str:
        """Id of the account; empty when it is left open."""
        account = self.environment.removeprefix("aws://").partition("/")[0]
        return account if account.isascii() and account.isdigit() else ""

    @property
    def region(self) -> str:
        """Name of the Region; empty when it is left open."""
        region = self.environment.removeprefix("aws://").partition("/")[2]
        return "" if region == "unknown-region" else region


def stacks_under(path: Path) -> list[StackFile]:
    """
    Read every stack under a path, each under a name of its own.

    Raises:
        InvalidInputError: There is none, or what looks like one cannot be read.
    """
    try:
        found = _directory(path, set()) if path.is_dir() else [_single(path)]
    except InvalidInputError:
        raise
    except (OSError, ValueError) as error:
        # ValueError: the manifest names a directory with a NUL character.
        raise unreadable(path, type(error).__name__) from error
    if not found:
        raise unreadable(path, "no template in it")
    return _with_unique_names(found)


def stack_name_of(path: Path) -> str:
    """Return what a template's file calls its stack."""
    name = path.name
    for suffix in (*SUFFIXES, ".template"):
        name = name.removesuffix(suffix)
    return name


def _single(file: Path) -> StackFile:
    """Read one template; a manifest beside it that lists it says what stack it is, as for the whole directory."""
    template = read_template(file)
    listed: list[StackFile] = []
    try:
        for name, artifact in read_json(file.parent / "manifest.json")["artifacts"].items():
            if artifact.get("type") == _STACK:
                stack = _listed(file.parent, name, artifact)
                listed += [stack] if stack.file.resolve() == file.resolve() else []
    except (InvalidInputError, OSError, ValueError, RuntimeError, KeyError, AttributeError, TypeError):
        # The file stands for itself: what lies beside it is no reason to refuse it.
        listed = []
    return replace(listed[0], file=file, template=template) if len(listed) == 1 else _stack(file, template)


def _listed(path: Path, name: str, artifact: dict[str, Any]) -> StackFile:
    """Return a stack of a manifest whose template is not read yet."""
    properties = artifact.get("properties", {})
    stack_name, environment = str(properties.get("stackName", name)), str(artifact.get("environment", ""))
    tags = _tags(artifact)
    return StackFile("", stack_name, path / properties["templateFile"], {}, environment, name, stack_name, tags)


def _tags(artifact: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Return the tags of a stack: those of its metadata, as older CDKs write, if nothing else has any."""
    tags = artifact.get("properties", {}).get("tags")
    if tags is None:
        entries = [entry for found in artifact.get("metadata", {}).values() for entry in found]
        stated = [tag for entry in entries if entry.get("type") == _STACK_TAGS for tag in entry.get("data") or ()]
        tags = {tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value")) for tag in stated}
    return tuple({"Key": key, "Value": value} for key, value in tags.items())


def _stack(file: Path, template: dict[str, Any]) -> StackFile:
    return StackFile("", stack_name_of(file), file, template, artifact=file.name)


def _directory(path: Path, seen: set[Path]) -> list[StackFile]:
    manifest = path / "manifest.json"
    if manifest.exists():
        return _from_manifest(path, manifest, seen)
    found: list[StackFile] = []
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in SUFFIXES and not file.name.endswith(_NESTED) and file.is_file():
            template = template_in(file)
            found += [] if template is None else [_stack(file, template)]
    return found


def _from_manifest(path: Path, manifest: Path, seen: set[Path]) -> list[StackFile]:
    if path.resolve() in seen:
        # Its stacks would be read twice, or for ever.
        raise unreadable(manifest, "an assembly that lists a directory twice, or holds itself")
    seen.add(path.resolve())
    content = read_json(manifest)
    try:
        artifacts = sorted(content.get("artifacts", {}).items())
        found: list[StackFile] = []
        for name, artifact in artifacts:
            if artifact.get("type") == _STACK:
                stack = _listed(path, name, artifact)
                found.append(replace(stack, template=read_template(stack.file)))
            elif artifact.get("type") == "cdk:cloud-assembly":
                found += _directory(path / artifact.get("properties", {})["directoryName"], seen)
    except (KeyError, AttributeError, TypeError) as error:
        raise unreadable(manifest, "a manifest that is not CDK's") from error
    return found


def _with_unique_names(stacks: list[StackFile]) -> list[StackFile]:
    """Name the stacks; those whose name occurs more than once get a hint behind it, the most telling first."""
    names = [_slug(stack.stack_name) for stack in stacks]
    for hints in (
        [stack.environment.removeprefix("aws://") for stack in stacks],
        [stack.artifact for stack in stacks],
    ):
        counts = Counter(names)
        names = [
            f"{name}@{_slug(hint)}" if counts[name] > 1 and hint else name
            for name, hint in zip(names, hints, strict=True)
        ]
    counts = Counter(names)
    # `#` is in no name so far: where all else is the same, the number makes them different for certain.
    names = [f"{name}#{number}" if counts[name] > 1 else name for number, name in enumerate(names)]
    return [replace(stack, name=name) for name, stack in zip(names, stacks, strict=True)]


def _slug(text: str) -> str:
    """Return a text without `/`, `.`, `@` and `#`, which divide the name of a resource into its stacks and its own."""
    return re.sub(r"[^\w-]", "-", text)


# CloudFormation takes templates of 1 MB.
_LOOKED_AT_MAX, _BYTES_MAX, _SHOWN_MAX = 500, 1_000_000, 3
# Programs and prose that speak of templates; nobody deploys them as one.
_PROSE = (".md", ".rst", ".py", ".js", ".ts", ".sh")


def left_unread(path: Path, read: set[Path]) -> Iterator[str]:
    """Yield notes on what looks like a template in a directory and is not read; none beside a manifest."""
    if not path.is_dir() or (path / "manifest.json").exists():
        return
    candidates = list(islice(_candidates(path), _LOOKED_AT_MAX + 1))
    found: dict[str, list[str]] = {}
    for file in candidates[:_LOOKED_AT_MAX]:
        if file.resolve() not in read and _looks_like_one(file):
            name = file.relative_to(path)
            found.setdefault(f"{name.parts[0]}/" if len(name.parts) > 1 else str(name), []).append(name.name)
    for place, names in found.items():
        inside = ", ".join(names[:_SHOWN_MAX]) + (", …" if len(names) > _SHOWN_MAX else "")
        yield f"not read: {place} ({inside})" if place.endswith("/") else f"not read: {place}"
    if len(candidates) > _LOOKED_AT_MAX:
        yield f"not read, and not looked through: all beyond {_LOOKED_AT_MAX} files and directories"


def _candidates(path: Path) -> Iterator[Path]:
    """Yield files that may be templates, of every suffix in the directory itself, of a template's below it; folders."""
    for folder, folders, files in os.walk(path):
        # Counted like a file: a big tree without templates must end as well.
        yield Path(folder)
        folders[:] = sorted(name for name in folders if not _is_aside(name))
        for name in sorted(files):
            suffix = Path(name).suffix.lower()
            wanted = suffix not in _PROSE if Path(folder) == path else suffix in SUFFIXES
            if wanted and not _is_aside(name):
                yield Path(folder, name)


def _is_aside(name: str) -> bool:
    """Whether a name is one of hidden files, packages, or assets, which hold other people's templates if any."""
    return name.startswith((".", "asset.")) or name == "node_modules"


def _looks_like_one(file: Path) -> bool:
    try:
        if not file.is_file() or file.stat().st_size > _BYTES_MAX:
            return False
        text = file.read_bytes().replace(b"\0", b"").decode("utf-8", errors="replace")
    except OSError:
        return False
    return looks_like_template(text)
