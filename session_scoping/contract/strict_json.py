"""JSON that every reader understands alike: no key twice, no NaN, no depth that only some parsers take."""

import json
from typing import Any


def parse(text: str | bytes) -> Any:
    """
    Return the parsed text.

    Raises:
        ValueError: It is not JSON in UTF-8, an object has a key twice, or it holds NaN or Infinity.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) != len(pairs):
        raise ValueError("a key appears twice")
    return built


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
