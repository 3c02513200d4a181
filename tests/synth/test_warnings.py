"""The ids of the warnings: an adopter acknowledges a warning by its id, so they never change by accident."""

from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam

from session_scoping import Revocation, TenantTable, TenantTablePolicy
from session_scoping.constructs.attribution.boundaries import boundary_checks
from tests.support import stacks
from tests.support.vault_stack import Vault


def _foreign_table_policy(stack: cdk.Stack) -> None:
    tables = [TenantTable(stacks.table(stack), access="query")]
    TenantTablePolicy(stack, "Tables", tables=tables).attach_to(stacks.role(stack, "Worker"))


def _boundary_of_another_app(stack: cdk.Stack) -> None:
    boundary = iam.ManagedPolicy.from_managed_policy_name(stack, "Elsewhere", "platform-boundary")
    assert list(boundary_checks(stacks.role(stack, permissions_boundary=boundary), ["sts:AssumeRole"])) == []


WARNED: list[tuple[str, Callable[[cdk.Stack], object]]] = [
    ("compute-roles-mint", stacks.session_role),
    (
        "compute-roles-reach-tenant-data",
        lambda stack: stacks.session_role(stack, deny_tenant_data_to_compute_roles=False),
    ),
    (
        "revocation-ahead",
        lambda stack: stacks.session_role(stack, restrictions=[Revocation.issued_before("2999-01-01T00:00:00Z")]),
    ),
    ("trust-is-not-ours", _foreign_table_policy),
    ("trust-is-not-ours", lambda stack: Vault(stack).grant(stacks.role(stack))),
    ("provider-secret-unknown", lambda stack: Vault(stack).grant(stacks.session_role(stack))),
    ("boundary-not-known", _boundary_of_another_app),
]


@pytest.mark.parametrize(("id", "make"), WARNED)
def test_a_warning_ends_with_the_id_that_acknowledges_it(id: str, make: Callable[[cdk.Stack], object]) -> None:
    """The CDK writes the id behind the text."""
    stack = stacks.stack()
    make(stack)
    entries = (entry for node in stack.node.find_all() for entry in node.node.metadata)
    warnings = [str(entry.data) for entry in entries if entry.type == "aws:cdk:warning"]
    assert any(text.endswith(f":session-scoping:{id}]") for text in warnings)
