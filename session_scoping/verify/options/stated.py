"""What the user states beside the templates: each word with its place, its reason and its last day."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
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
        return {
            "option": self.option,
            "value": self.value,
            "place": self.place,
            "reason": self.reason,
            "expires": str(self.expires) if self.expires else None,
            "expired": self.expired,
        }


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
    return Options(
        session_roles=in_force(stated, "session_roles"),
        compute_roles=in_force(stated, "compute_roles"),
        stores=in_force(stated, "stores"),
        tags=in_force(stated, "tags"),
        shared_by=in_force(stated, "shared_by"),
        allow=in_force(stated, "allow"),
        trusted=in_force(stated, "trusted"),
        shared_data=in_force(stated, "shared_data"),
        session_policies=in_force(stated, "session_policies"),
        masked_grants=bool(in_force(stated, "masked_grants")),
    )
