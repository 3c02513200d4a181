"""What the user states, in arguments and in a committed file: each word with its place, reason and last day."""

import json
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from session_scoping.agent.children.session_policy import parse_session_policy
from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.scoping.infer import Options

SessionPolicy = str | Mapping[str, Any]
"""A session policy: its text, or parsed."""


@dataclass(frozen=True)
class StatedOption:
    """
    One word of the user's.

    Attributes:
        option: The keyword of `verify` it belongs to, such as `trusted`.
        value: The word; of a parameter `NAME=VALUE`.
        place: Where it stands, as the user knows it: `stores`, `--store`, a key of a file.
        reason: Why, where it stands in a file.
        expires: The last day on which it counts. Default: it counts without end.
        expired: Whether that day is over, so that it counts no more.
    """

    option: str
    value: str
    place: str
    reason: str = ""
    expires: date | None = None
    expired: bool = False

    def __str__(self) -> str:
        """Return the word with its last day and its reason."""
        until = f" {'EXPIRED on' if self.expired else 'until'} {self.expires}" if self.expires else ""
        return f"{self.option} {self.value}{until}" + (f": {self.reason}" if self.reason else "")

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "expires": str(self.expires) if self.expires else None}


def stated_words(option: str, words: object) -> tuple[StatedOption, ...]:
    """
    Return the words of one keyword, which takes one `str` or several.

    Raises:
        InvalidInputError: It is given something else, or a blank word.
    """
    found = [words] if isinstance(words, str) else words
    texts = list(found) if isinstance(found, Iterable) and not isinstance(found, Mapping | bytes) else [found]
    return tuple(StatedOption(option, _text(option, text), option) for text in texts)


def _text(option: str, text: object) -> str:
    if isinstance(text, str) and text.strip() and text.isprintable():
        return text
    raise InvalidInputError(
        f"`{option}` cannot be read",
        got="a blank word, or one with a line break" if isinstance(text, str) else f"a {type(text).__name__}",
        expected="one text, or a sequence of them",
        why="what it was meant to say would be lost",
        fix=f'write {option}=("...",)',
    )


def stated_parameters(parameters: object) -> tuple[StatedOption, ...]:
    """
    Return the values of template parameters as words, `NAME=VALUE`.

    Raises:
        InvalidInputError: It is no mapping of texts to texts.
    """
    if not isinstance(parameters, Mapping) or not all(map(is_parameter, parameters.items())):
        raise InvalidInputError(
            "`parameters` cannot be read",
            got=f"a {type(parameters).__name__}" + (" of other values" if isinstance(parameters, Mapping) else ""),
            expected="a mapping of parameter names to texts",
            why="a value would stay unknown",
            fix='write parameters={"Name": "value"}, a list as text with commas',
        )
    return tuple(StatedOption("parameters", f"{name}={value}", "parameters") for name, value in parameters.items())


def is_parameter(item: tuple[object, object]) -> bool:
    """Whether a pair is the name of a template parameter, which has no `=` in it, and a text."""
    return all(isinstance(text, str) for text in item) and "=" not in str(item[0])


def stated_policies(policies: object) -> tuple[StatedOption, ...]:
    """
    Return session policies as words, each its text without white space.

    Raises:
        InvalidInputError: STS would refuse one, or read it otherwise than its author.
    """
    is_one = isinstance(policies, str | Mapping) or not isinstance(policies, Iterable)
    found: list[Any] = [policies] if is_one else list(policies)  # type: ignore[call-overload]
    texts = [json.dumps(one) if isinstance(one, Mapping) else one for one in found]
    return tuple(StatedOption("session_policies", parse_session_policy(text), "session_policies") for text in texts)


def in_force(stated: Iterable[StatedOption], option: str) -> tuple[str, ...]:
    """Return the words of one option that count."""
    return tuple(one.value for one in stated if one.option == option and not one.expired)


def parameters_of(stated: Iterable[StatedOption]) -> dict[str, str]:
    """Return the values of template parameters; of one that is stated twice, the later value."""
    pairs = (text.partition("=") for text in in_force(stated, "parameters"))
    return {name: value for name, _, value in pairs}


def options_of(stated: tuple[StatedOption, ...]) -> Options:
    """Return what counts, as the proof takes it."""
    lists = {one.name: in_force(stated, one.name) for one in fields(Options) if one.name != "masked_grants"}
    return Options(**lists, masked_grants=bool(in_force(stated, "masked_grants")))


OWN, SHARED = "session-scoping.toml", "pyproject.toml"
"""A file of its own, whose keys stand at the top; and the project's, whose keys stand in `[tool.session-scoping]`."""

_LISTS = {"session-roles": "session_roles", "compute-roles": "compute_roles", "stores": "stores", "tags": "tags"}
_EXCEPTIONS = {
    "trusted": ("trusted", "principal"),
    "allow": ("allow", "action"),
    "shared": ("shared_by", "by"),
    "shared-data": ("shared_data", "data"),
}
_PARAMETERS = "parameters"
_KEYS = (*_LISTS, *_EXCEPTIONS, _PARAMETERS)


def find_configuration(directory: Path) -> Path | None:
    """
    Return the file of a directory that states options; None when there is none.

    Raises:
        InvalidInputError: Both files do, or one cannot be read.
    """
    found = [file for file in (directory / OWN, directory / SHARED) if file.is_file() and _section(file) is not None]
    if len(found) > 1:
        raise InvalidInputError(
            "two files state options",
            got=f"`{OWN}`, and `[tool.session-scoping]` in `{SHARED}`",
            expected="one of them",
            why="it would be unclear what counts",
            fix="move the keys into one file",
        )
    return found[0] if found else None


def read_configuration(file: Path, *, today: date | None = None) -> tuple[StatedOption, ...]:
    """
    Return what a file states.

    Args:
        file: The file; in one called `pyproject.toml` the table `[tool.session-scoping]`, in any other all of it.
        today: The day to hold last days against. Default: today, by UTC.

    Raises:
        InvalidInputError: It cannot be read, holds a key it may not, or an exception without a reason.
    """
    section = _section(file)
    if section is None:
        raise _unreadable(file, "the file", "no table `[tool.session-scoping]`", "that table, with the options in it")
    day = datetime.now(UTC).date() if today is None else today
    return tuple(word for key, value in section.items() for word in _stated(file, key, value, day))


def _section(file: Path) -> dict[str, Any] | None:
    try:
        with file.open("rb") as opened:
            content = tomllib.load(opened)
    except (OSError, ValueError, RecursionError) as error:
        # ValueError: no TOML, no UTF-8, or a NUL in the path.
        got = f"no TOML: {error}" if isinstance(error, tomllib.TOMLDecodeError) else type(error).__name__
        raise _unreadable(file, "the file", got, "a TOML file") from error
    if file.name != SHARED:
        return content
    tool = content.get("tool")
    section = tool.get("session-scoping") if isinstance(tool, dict) else None
    if section is not None and not isinstance(section, dict):
        raise _unreadable(file, "`tool.session-scoping`", _kind(section), "a table")
    return section


def _stated(file: Path, key: str, value: Any, today: date) -> Iterator[StatedOption]:
    place = f"{key} in {file.name}"
    if key in _LISTS:
        if not isinstance(value, list) or not all(map(_is_word, value)):
            raise _unreadable(file, f"`{key}`", _kind(value), "a list of texts, none blank")
        yield from (StatedOption(_LISTS[key], word, place) for word in value)
    elif key in _EXCEPTIONS:
        if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
            raise _unreadable(file, f"`{key}`", _kind(value), f"tables, each under `[[{_heading(file, key)}]]`")
        yield from (_exception(file, key, entry, today) for entry in value)
    elif key == _PARAMETERS:
        if not isinstance(value, dict) or not all(map(is_parameter, value.items())):
            raise _unreadable(file, f"`{key}`", _kind(value), "a table of parameter names with texts")
        yield from (StatedOption("parameters", f"{name}={text}", place) for name, text in value.items())
    else:
        raise _unreadable(file, f"the key `{_shown(key)}`", "a key nobody reads", f"some of {', '.join(_KEYS)}")


def _exception(file: Path, key: str, entry: Mapping[str, Any], today: date) -> StatedOption:
    option, name = _EXCEPTIONS[key]
    known = (name, "reason", "expires")
    if unknown := [other for other in entry if other not in known]:
        expected = f"{name}, reason and, if it ends, expires"
        raise _unreadable(file, f"an entry of `{key}`", f"the key `{_shown(unknown[0])}`", expected)
    for wanted in (name, "reason"):
        value = entry.get(wanted)
        # A reason may be folded over several lines.
        if not _is_word(" ".join(value.split()) if wanted == "reason" and isinstance(value, str) else value):
            got = f"{wanted}: {_kind(value)}" if wanted in entry else f"no {wanted}"
            raise _unreadable(file, f"an entry of `{key}`", got, f"{wanted}: a text, not blank")
    expires = entry.get("expires")
    if expires is not None and type(expires) is not date:  # a datetime is a date as well
        raise _unreadable(file, f"an entry of `{key}`", f"expires: {_kind(expires)}", "a day, such as 2027-01-31")
    return StatedOption(
        option,
        entry[name],
        f"{key} in {file.name}",
        " ".join(entry["reason"].split()),
        expires,
        expired=expires is not None and today > expires,
    )


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _heading(file: Path, key: str) -> str:
    return f"tool.session-scoping.{key}" if file.name == SHARED else key


def _kind(value: Any) -> str:
    """Return what a value is, for a reader of TOML."""
    if isinstance(value, str) and not _is_word(value):
        return "a text with a line break" if value.strip() else "a blank text"
    names = {str: "a text", list: "a list", dict: "a table", bool: "true or false", int: "a number", float: "a number"}
    found = names.get(type(value), "a day with a time" if isinstance(value, datetime) else type(value).__name__)
    odd = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    inside = next((_kind(item) for item in odd if not _is_word(item)), "")
    return f"{found} with {inside} in it" if inside else found


def _shown(key: str) -> str:
    return key.encode("unicode_escape").decode()


def _unreadable(file: Path, what: str, got: str, expected: str) -> InvalidInputError:
    return InvalidInputError(
        f"{what} in `{file}` cannot be read" if what != "the file" else f"cannot read `{file}`",
        got=got,
        expected=expected,
        why="an exception nobody can explain, or one that is read otherwise than meant, would count",
        fix="correct the file; docs/verify.md shows every key",
    )
