"""What agent code is handed without asking: rows of a stream, objects, what a state machine has read."""

from collections.abc import Iterator, Sequence

from session_scoping.verify.infer import Options
from session_scoping.verify.model import Estate, Role, Store
from session_scoping.verify.properties.becoming import runs_with
from session_scoping.verify.properties.compute import RULE
from session_scoping.verify.report import Result, Status
from session_scoping.verify.stores import named


def handed_to(role: Role, estate: Estate, stores: Sequence[Store], options: Options) -> Iterator[Result]:
    """
    Yield what hands tenant data to what runs with a role, each UNKNOWN: whose it is then nobody says.

    Args:
        role: A role agent code runs with.
        estate: What the templates deploy.
        stores: The tables, buckets and keys with tenant data.
        options: What the user says: what is named as trusted is left out.
    """
    running = {workload.id for workload in runs_with(role, estate)}
    for one in estate.handed:
        if not running & one.workloads or named(options.trusted, one.id, one.label):
            continue
        if store := next((store for store in stores if one.touches(store)), None):
            name = one.label.rpartition("/")[2]
            detail = f"{one.label} hands it what it reads of {store.label}; --trusted {name} says that it may"
            yield Result(RULE, role.label, Status.UNKNOWN, detail, location=role.id)
