"""What agent code is handed without asking: rows of a stream, objects, what a state machine has read."""

from collections.abc import Iterator, Sequence

from session_scoping.verify.policies.model import Deployment, Role, Store
from session_scoping.verify.properties.agents.becoming import runs_with
from session_scoping.verify.properties.agents.compute import RULE
from session_scoping.verify.reports.report import Result, Status
from session_scoping.verify.scoping.infer import Options
from session_scoping.verify.scoping.stores import named


def handed_to(role: Role, deployment: Deployment, stores: Sequence[Store], options: Options) -> Iterator[Result]:
    """
    Yield what hands tenant data to what runs with a role, each UNKNOWN: whose it is then nobody says.

    Args:
        role: A role agent code runs with.
        deployment: What the templates deploy.
        stores: The tables, buckets and keys with tenant data.
        options: What the user says: what is named as trusted is left out.
    """
    running = {workload.id for workload in runs_with(role, deployment)}
    for one in deployment.handed:
        if not running & one.workloads or named(options.trusted, one.id, one.label):
            continue
        if store := next((store for store in stores if one.touches(store)), None):
            name = one.label.rpartition("/")[2]
            detail = f"{one.label} hands it what it reads of {store.label}; --trusted {name} says that it may"
            yield Result(RULE, role.label, Status.UNKNOWN, detail, location=role.id)
