"""The checked-in tables, each read when it is first asked for."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Service:
    """A service, by the prefix of its actions."""

    prefix: str
    tabled: bool
    """Whether its actions are in the table."""
    anyone: bool
    """Whether an action of it that nobody has judged may change or become any principal, not its workloads' alone."""
    roles: tuple[str, ...]
    """The service principals that a role of its workloads trusts, without `.amazonaws.com`."""
    why: str


@cache
def read(name: str) -> Mapping[str, Any]:
    """Return a file of `data/`: a service's prefix, `index` or `keys`. The shapes are in tools/action_data.py."""
    content: dict[str, Any] = json.loads((_DATA / f"{name}.json").read_text(encoding="utf-8"))
    return content


@cache
def service(prefix: str) -> Service:
    """Return a service. One that AWS had not when the table was made may change and become anyone."""
    entry = read("index")["services"].get(prefix)
    if entry is not None:
        return Service(prefix, entry["tabled"], entry["anyone"], tuple(entry["roles"]), entry["why"])
    if prefix in read("index")["others"]:
        return Service(prefix, False, False, (prefix,), "Reaches its own resources and its workloads' roles.")
    return Service(prefix, False, True, (prefix,), "Not known when the table was made.")


def tabled_services() -> tuple[str, ...]:
    """Return the prefixes of the services in the table."""
    return tuple(prefix for prefix, entry in read("index")["services"].items() if entry["tabled"])


def data_date() -> str:
    """Return the day of the published data, as in `2026-09-26`."""
    return str(read("index")["date"])


def data_source() -> str:
    """Return what the table was made from: name, version, license, origin."""
    return str(read("index")["source"])
