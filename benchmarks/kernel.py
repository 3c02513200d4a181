"""Count what crosses between Python and the CDK's Node process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from jsii._kernel.providers import process
from jsii._kernel.types import Callback


@dataclass
class Cost:
    """
    What a stretch of code took.

    Attributes:
        calls: Requests sent to Node; the answer to a callback is one too.
        callbacks: Requests Node sent back.
        milliseconds: Wall clock, to be read as an order of magnitude.
    """

    calls: int = 0
    callbacks: int = 0
    milliseconds: float = 0.0


@contextmanager
def counted() -> Iterator[Cost]:
    """Count the kernel calls made inside the block."""
    cost = Cost()
    node: Any = process._NodeProcess
    send = node.send

    def counting(self: Any, request: Any, response_type: Any) -> Any:
        cost.calls += 1
        response = send(self, request, response_type)
        cost.callbacks += isinstance(response, Callback)
        return response

    node.send = counting
    start = perf_counter()
    try:
        yield cost
    finally:
        cost.milliseconds = (perf_counter() - start) * 1000
        node.send = send
