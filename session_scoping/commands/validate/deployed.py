"""Physical names of what a stack deployed, as values of the template's tokens."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

from session_scoping.commands.unreadable import NOT_VALIDATED, reading, text_of
from session_scoping.contract.boto_errors import Answer
from session_scoping.contract.errors import InvalidInputError
from session_scoping.verify.intrinsics.scope import Scope


def stack_names(scopes: Sequence[Scope], given: Sequence[str]) -> dict[str, str]:
    """
    Return template -> name of the deployed stack.

    Args:
        scopes: What was read.
        given: `NAME`, for the template of that name or the only one; or `TEMPLATE=NAME`.

    Raises:
        InvalidInputError: One matches no template.
    """
    tops = [scope.name for scope in scopes if "/" not in scope.name]
    found: dict[str, str] = {}
    for text in given:
        template, equals, name = text.partition("=")
        if not equals:
            template, name = (text if text in tops else tops[0] if len(tops) == 1 else text), text
        if template not in tops:
            raise InvalidInputError(
                f"--stack `{text}` belongs to no template",
                got=f"templates {', '.join(tops)}",
                expected="the name of one of them, or TEMPLATE=STACK",
                why="its resources would keep made-up names",
                fix="write --stack TEMPLATE=STACK",
            )
        found[template] = name
    return found


def physical_names(cloudformation: Any, scopes: Iterable[Scope], stacks: Mapping[str, str]) -> dict[str, str]:
    """
    Return token -> physical name of every resource of the deployed stacks, nested ones included.

    ListStackResources, because DescribeStackResources stops at a hundred resources.

    Raises:
        InvalidInputError: A stack does not exist in this account and Region.

    Source:
        CloudFormation API_DescribeStackResources, API_ListStackResources.
    """
    found: dict[str, str] = {}
    for scope in scopes:
        parent, _, logical_id = scope.name.rpartition("/")
        stack = stacks.get(scope.name) or found.get(f"{parent}.{logical_id}")
        if stack:
            found |= {f"{scope.name}.{key}": value for key, value in _resources(cloudformation, stack)}
    return found


def _resources(cloudformation: Any, stack: str) -> Iterable[tuple[str, str]]:
    try:
        with reading("ListStackResources", consequence=NOT_VALIDATED):
            pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
            resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
            return [
                (text_of(resource["LogicalResourceId"]), text_of(resource["PhysicalResourceId"]))
                for resource in resources
                if resource.get("PhysicalResourceId")
            ]
    except ClientError as error:
        if Answer.of(error).code == "ValidationError":
            raise InvalidInputError(
                f"stack `{stack}` is not deployed here",
                got="no stack of that name",
                expected="a stack of the profile's account and Region",
                why="there is nothing to compare with",
                fix="check --stack, --profile and --region",
            ) from error
        raise


def environment_of(scopes: Iterable[Scope], account: str, region: str, partition: str) -> dict[str, str]:
    """Return the values of the pseudo parameters, for every environment the templates name."""
    values = {"AccountId": account, "Region": region, "Partition": partition}
    names = {scope.env for scope in scopes} | {""}
    return {f"AWS::{name}{env}": value for env in names for name, value in values.items()}
