"""
What the agents' scripted model does: it obeys every instruction it reads, by any author.

An instruction is a line such as `CALL read_task {"task_id": "task-a"}`. It may stand in the prompt, or in a row that a
tool read: then it is an injected one.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

Call = tuple[str, dict[str, Any]]


def calls_in(text: str) -> list[Call]:
    """Return the calls that a text asks for, in order."""
    return [(name, json.loads(arguments)) for name, arguments in re.findall(r"CALL (\w+) (\{.*?\})", text)]


def next_call(texts: Iterable[str], made: Iterable[Call]) -> Call | None:
    """
    Return the first call that was asked for and not made, or None.

    Args:
        texts: Everything the model has been shown: the prompt and the tools' answers.
        made: The calls it has made so far.
    """
    done = list(made)
    return next((call for text in texts for call in calls_in(text) if call not in done), None)
