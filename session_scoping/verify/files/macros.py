"""What changes a template when it deploys, or deploys another one: macros, modules, stack sets, missing stacks."""

import json
from collections.abc import Iterator
from typing import Any

from session_scoping.verify.files.loops import EXTENSIONS, loops_left
from session_scoping.verify.files.sam import SAM, left_of_sam
from session_scoping.verify.intrinsics.scope import Scope
from session_scoping.verify.policies.model import Deployment

# Resource types that deploy another template.
_ELSEWHERE = {
    "AWS::CloudFormation::StackSet": "a stack set",
    "AWS::ServiceCatalog::CloudFormationProvisionedProduct": "a product",
    "AWS::Serverless::Application": "an application",
    "AWS::ServerlessRepo::Application": "an application",
}


def notice_macros(scope: Scope, deployment: Deployment) -> None:
    """Add to the problems of an deployment whatever changes a template when it deploys."""
    for transform in _transforms(scope.template.get("Transform")):
        deployment.problems += [f"{scope.name}: {problem}" for problem in _added_by(transform, scope)]
    for section, content in scope.template.items():
        if section != "Resources" and '"Fn::Transform"' in json.dumps(content, default=str):
            deployment.problems.append(f"{scope.name}: what {section} holds when it deploys is not in the template")
    for logical_id, resource in scope.resources.items():
        kind = str(resource.get("Type", ""))
        if kind.endswith("::MODULE") or '"Fn::Transform"' in json.dumps(resource, default=str):
            deployment.problems.append(
                f"{scope.name}.{logical_id}: what it adds when it deploys is not in the template"
            )
        if kind == "AWS::CloudFormation::Stack" and logical_id not in scope.children:
            deployment.problems.append(f"{scope.name}.{logical_id}: the template of this nested stack was not found")
        if kind in _ELSEWHERE:
            deployment.problems.append(
                f"{scope.name}.{logical_id}: what {_ELSEWHERE[kind]} deploys is not in the template"
            )
    for logical_id in scope.template["Resources"]:
        if logical_id not in scope.resources or str(logical_id).startswith("Fn::"):
            deployment.problems.append(f"{scope.name}: `{logical_id}` in Resources is not understood")


def _transforms(value: Any) -> list[Any]:
    return [] if not value else value if isinstance(value, list) else [value]


def _added_by(transform: Any, scope: Scope) -> Iterator[str]:
    """
    Yield what a transform may add that is not in the template.

    Source:
        CloudFormation guide, transform-aws-languageextensions: it adds functions; `Fn::ForEach` makes resources.
    """
    if transform == EXTENSIONS:
        for loop in loops_left(scope.template):
            yield f"what {loop} makes is not known; --parameter says what a parameter it goes over holds"
    elif transform == SAM:
        yield from left_of_sam(scope)
    else:
        yield f"the transform {transform} may add roles and policies"
