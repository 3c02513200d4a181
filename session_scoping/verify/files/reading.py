"""Reads one file: a template as JSON or YAML, or a JSON file CDK writes beside it. Odd input is refused here."""

import codecs
import json
import re
from pathlib import Path
from typing import Any

from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.files.odd_input import OddInputError, ordinary, twice

_RESOURCES = re.compile(r"""(?:^|[\s{,\ufeff])["']?Resources["']?\s*:""", re.MULTILINE)


def read_template(path: Path) -> dict[str, Any]:
    """
    Return one parsed CloudFormation template.

    Raises:
        InvalidInputError: The file is missing, is no JSON or YAML, holds what no template holds, or has no `Resources`.
    """
    return _with_resources(path, _parse(path, _text(path)))


def template_from_text(text: str) -> dict[str, Any]:
    """
    Return the template that a JSON or YAML text holds.

    Raises:
        InvalidInputError: As `read_template`.
    """
    name = Path("the text")
    return _with_resources(name, _parse(name, text.removeprefix("\ufeff")))


def _with_resources(path: Path, parsed: Any) -> dict[str, Any]:
    if not isinstance(parsed, dict) or not isinstance(parsed.get("Resources"), dict):
        raise unreadable(path, "a file without a `Resources` section")
    return parsed


def template_in(path: Path) -> dict[str, Any] | None:
    """
    Return the template in a file, or None for a file that is something else.

    Raises:
        InvalidInputError: The file looks like a template and cannot be read, so that what it deploys would be left out.
    """
    try:
        # UTF-16 without its zero bytes still shows the word.
        text = path.read_bytes().replace(b"\0", b"").decode("utf-8", errors="replace")
    except OSError as error:
        raise unreadable(path, type(error).__name__) from error
    if not looks_like_template(text):
        return None
    parsed = _parse(path, _text(path))
    return _with_resources(path, parsed) if isinstance(parsed, dict) and "Resources" in parsed else None


def looks_like_template(text: str) -> bool:
    """Whether a text has a key `Resources`, quoted or not."""
    return _RESOURCES.search(text) is not None


def read_json(path: Path) -> Any:
    """
    Return what a JSON file holds.

    Raises:
        InvalidInputError: It cannot be read, or holds what CDK never writes.
    """
    try:
        return ordinary(_load_json(_text(path)))
    except (ValueError, RecursionError) as error:
        raise unreadable(path, str(error) if isinstance(error, OddInputError) else "text that is not JSON") from error


def unreadable(
    path: Path, got: str, *, fix: str = "run `cdk synth` and pass cdk.out or one *.template.json"
) -> InvalidInputError:
    """Return the error for a file or directory there is nothing to prove about."""
    return InvalidInputError(
        f"cannot read `{path}`",
        got=got,
        expected="a CloudFormation template or a cdk.out directory",
        why="there is nothing to prove about it",
        fix=fix,
    )


def _load_json(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_without_doubles)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Which of two counts is not documented: a Condition given twice might be the one that is lost.
    if len(found := dict(pairs)) < len(pairs):
        raise OddInputError(f"the key `{twice(key for key, _ in pairs)}` twice in one object")
    return found


def _text(path: Path) -> str:
    try:
        # Some editors begin a file with a byte order mark, which is no part of the text.
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        wide = error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        got = "text in UTF-16" if wide else "text that is not UTF-8"
        raise unreadable(path, got, fix="save it in UTF-8") from error
    except (OSError, ValueError) as error:
        # ValueError: a path with a NUL character.
        raise unreadable(path, type(error).__name__) from error


def _parse(path: Path, text: str) -> Any:
    try:
        parsed = _load_json(text)
    except OddInputError as error:
        raise unreadable(path, str(error)) from error
    except (ValueError, RecursionError) as error:
        if path.suffix.lower() != ".json":
            parsed = _parse_yaml(path, text)
        elif looks_like_template(text) and not text.lstrip().startswith("{"):
            raise unreadable(path, "YAML in a file named `.json`", fix="name it `.yaml`") from error
        else:
            raise unreadable(path, "text that is not JSON") from error
    try:
        return ordinary(parsed)
    except OddInputError as error:
        raise unreadable(path, str(error)) from error


def _parse_yaml(path: Path, text: str) -> Any:
    try:
        from session_scoping.verify.files.yaml_text import parse_yaml
    except ImportError as error:
        raise InvalidInputError(
            f"cannot read `{path}`",
            got="YAML, and no YAML reader is installed",
            expected="JSON, as `cdk synth` writes it",
            why="PyYAML is not a dependency of session-scoping",
            fix="pip install pyyaml, or convert the template to JSON",
        ) from error
    try:
        return parse_yaml(text)
    except OddInputError as error:
        raise unreadable(path, str(error)) from error
    except Exception as error:
        # PyYAML lets errors of every type through where an explicit tag stands on odd text, such as `!!int ''`.
        raise unreadable(path, "text that is neither JSON nor YAML") from error
