"""Changed templates: what a change is, and the parts of a template that changes touch."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Template = dict[str, Any]
Body = dict[str, Any]

POLICY_TYPES = {"AWS::IAM::Policy", "AWS::IAM::ManagedPolicy"}


@dataclass(frozen=True)
class Mutation:
    """
    A changed template.

    Attributes:
        name: What was changed, and where.
        template: The changed template.
        kind: What was changed, the same for every place it can be changed in.
        choices: Values of deploy-time parts that make the change as bad as it can be.
    """

    name: str
    template: Template
    kind: str = ""
    choices: dict[str, str] = field(default_factory=dict)


def edit(
    template: Template, name: str, change: Callable[[Template], object], kind: str = "", **choices: str
) -> Mutation:
    """Apply a change to a copy."""
    changed = copy.deepcopy(template)
    change(changed)
    return Mutation(name, changed, kind or name, choices)


def listed(value: Any) -> list[Any]:
    """Return a policy element as a list."""
    return list(value) if isinstance(value, list) else [value]


def session_role(template: Template) -> str:
    """Return the logical id of the role whose trust asks for request tags."""
    found: str = next(
        key
        for key, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role" and "RequestTag" in json.dumps(resource["Properties"])
    )
    return found


def compute_roles(template: Template) -> list[str]:
    """Return the logical ids of the roles agent code runs with."""
    return [
        key
        for key, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
        and any(word in json.dumps(resource["Properties"]) for word in ("ecs-tasks.", "bedrock-agentcore."))
    ]


def documents(template: Template, role: str) -> list[Body]:
    """Return the policy documents attached to a role."""
    found = [
        resource["Properties"]["PolicyDocument"]
        for resource in template["Resources"].values()
        if resource["Type"] in POLICY_TYPES and {"Ref": role} in resource["Properties"].get("Roles", [])
    ]
    found += [policy["PolicyDocument"] for policy in template["Resources"][role]["Properties"].get("Policies", [])]
    return found


def statements(template: Template, role: str, effect: str) -> list[Body]:
    """Return the statements of one effect attached to a role."""
    return [
        statement
        for document in documents(template, role)
        for statement in listed(document["Statement"])
        if statement["Effect"] == effect
    ]


def trust(template: Template) -> list[Body]:
    """Return the trust statements of the session role, a list that can be changed."""
    document = template["Resources"][session_role(template)]["Properties"]["AssumeRolePolicyDocument"]
    document["Statement"] = listed(document["Statement"])
    return document["Statement"]  # type: ignore[no-any-return]


def without_guards(template: Template) -> Template:
    """Return the template with every Deny of its roles removed, so that no guard masks a weakened Allow."""
    bare = copy.deepcopy(template)
    for key, resource in list(bare["Resources"].items()):
        if resource["Type"] not in POLICY_TYPES:
            continue
        document = resource["Properties"]["PolicyDocument"]
        document["Statement"] = [s for s in listed(document["Statement"]) if s["Effect"] == "Allow"]
        if not document["Statement"]:
            del bare["Resources"][key]
    return bare


def rename(block: Body, old: str, new: str) -> None:
    """Rename a key of a Condition block; keys that stand under the new name already are merged."""
    moved = block.pop(old)
    block[new] = {**block.get(new, {}), **moved} if isinstance(moved, dict) else moved


def replace_text(body: Body, old: str, new: str) -> None:
    """Replace text anywhere in a statement, in place."""
    changed = json.loads(json.dumps(body).replace(old, new))
    body.clear()
    body.update(changed)


def suffixed(resource: Any, suffix: str) -> Any:
    """Return an ARN with text behind it."""
    return {"Fn::Join": ["", [resource, suffix]]}


def grant(template: Template, role: str, name: str, **body: Any) -> None:
    """Attach a further policy with one Allow to a role."""
    template["Resources"][name] = {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": name,
            "Roles": [{"Ref": role}],
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **body}]},
        },
    }
