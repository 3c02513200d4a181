"""Values that no template holds, refused before anything reads them further."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

# CloudFormation takes templates of 1 MB; nothing a person or CDK writes is nested this deep.
_DEPTH_MAX, _VALUES_MAX, _BITS_MAX = 200, 500_000, 10_000


class OddInputError(ValueError):
    """A value no template holds; the message says what it is."""


def ordinary(value: Any) -> Any:
    """
    Return parsed input as a tree of its own, of what JSON knows: a YAML alias becomes a copy of what it stands for.

    Raises:
        OddInputError: It is endless, or so deep or big that reading it further would fail or never end, or holds
            something that is no JSON, such as half of a surrogate pair, which no file and no terminal takes.
    """
    return _copy(value, _DEPTH_MAX, [_VALUES_MAX])


def _copy(value: Any, depth: int, left: list[int]) -> Any:
    left[0] -= 1
    if depth < 0 or left[0] < 0:
        raise OddInputError(
            f"more than {_DEPTH_MAX} levels, or a value that holds itself" if depth < 0
            else f"more than {_VALUES_MAX:,} values"
        )  # fmt: skip
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise OddInputError("a key that is not text")
        return {_text_copy(key): _copy(item, depth - 1, left) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_copy(item, depth - 1, left) for item in value]
    if isinstance(value, str):
        return _text_copy(value)
    if isinstance(value, int) and value.bit_length() > _BITS_MAX:
        raise OddInputError("a number of thousands of digits")
    if value is None or isinstance(value, bool | int | float):
        return value
    raise OddInputError(f"a value of the type {type(value).__name__}, which CloudFormation does not know")


def _text_copy(text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise OddInputError("text with half of a surrogate pair") from error
    return text


def twice(keys: Iterable[str]) -> str | None:
    """Return the first key that occurs more than once."""
    return next((key for key, count in Counter(keys).items() if count > 1), None)
