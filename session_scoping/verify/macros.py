"""What changes a template when it deploys, or deploys another one: macros, modules, stack sets, missing stacks."""

import json

from session_scoping.verify.model import Estate
from session_scoping.verify.scope import Scope

# Resource types that deploy another template.
_ELSEWHERE = {
    "AWS::CloudFormation::StackSet": "a stack set",
    "AWS::ServiceCatalog::CloudFormationProvisionedProduct": "a product",
    "AWS::Serverless::Application": "an application",
    "AWS::ServerlessRepo::Application": "an application",
}


def notice_macros(scope: Scope, estate: Estate) -> None:
    """Add to the problems of an estate whatever changes a template when it deploys."""
    transform = scope.template.get("Transform")
    if transform:
        estate.problems.append(f"{scope.name}: the transform {transform} may add roles and policies")
    for section, content in scope.template.items():
        if section != "Resources" and '"Fn::Transform"' in json.dumps(content, default=str):
            estate.problems.append(f"{scope.name}: what {section} holds when it deploys is not in the template")
    for logical_id, resource in scope.resources.items():
        kind = str(resource.get("Type", ""))
        if kind.endswith("::MODULE") or '"Fn::Transform"' in json.dumps(resource, default=str):
            estate.problems.append(f"{scope.name}.{logical_id}: what it adds when it deploys is not in the template")
        if kind == "AWS::CloudFormation::Stack" and logical_id not in scope.children:
            estate.problems.append(f"{scope.name}.{logical_id}: the template of this nested stack was not found")
        if kind in _ELSEWHERE:
            estate.problems.append(f"{scope.name}.{logical_id}: what {_ELSEWHERE[kind]} deploys is not in the template")
    for logical_id in scope.template["Resources"]:
        if logical_id not in scope.resources or str(logical_id).startswith("Fn::"):
            estate.problems.append(f"{scope.name}: `{logical_id}` in Resources is not understood")
