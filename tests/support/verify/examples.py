"""The templates the suite weakens and rewrites: every example of this repository, and a stack small enough to read."""

import copy
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from session_scoping.verify import Report, verify
from tests.support.shared import shared
from tests.support.verify.corpus import verify_stacks
from tests.support.verify.mutations import Template

EXAMPLES = ("small", "reference-compute", "reference-orchestrator", "existing-imported", "existing-created")


@dataclass(frozen=True)
class Example:
    """
    One example app.

    Attributes:
        template: All its stacks as one template, so that a change need not know where a resource lives.
        homes: Logical id -> the stack it lives in.
        stacks: The stacks as synthesized.
    """

    name: str
    template: Template
    homes: Mapping[str, str] = field(default_factory=dict)
    stacks: Mapping[str, Template] = field(default_factory=dict)

    def report(self, template: Template, **options: Any) -> Report:
        """Return the report on a changed template, over the example's own stacks; `options` as `verify` takes them."""
        if len(self.stacks) > 1:
            return verify_stacks(spread(template, self.homes), **options)
        return verify(template, **options)


@cache
def example(name: str) -> Example:
    """Return one example, synthesized once for all workers."""
    make = _small if name == "small" else partial(_existing if name.startswith("existing") else _reference, name)
    stacks = shared(f"example-{name}", make)
    homes = {key: stack for stack, template in stacks.items() for key in template["Resources"]}
    assert len(homes) == sum(len(template["Resources"]) for template in stacks.values()), "logical ids clash"
    return Example(name, merged(stacks), homes, stacks)


def _small() -> dict[str, Template]:
    """Return one table, two buckets and one compute role that mints."""
    from session_scoping import TenantObjects
    from tests.support import stacks

    stack = stacks.stack()
    objects = [TenantObjects.traces(stacks.bucket(stack)), TenantObjects.artifacts(stacks.bucket(stack, "Artifacts"))]
    stacks.session_role(stack, objects=objects)
    return {"Small": stacks.template(stack)}


def _reference(name: str) -> dict[str, Template]:
    from tests.support.reference import synthesize_reference

    return {"Reference": synthesize_reference(minting=name.removeprefix("reference-"))}


def _existing(name: str) -> dict[str, Template]:
    import aws_cdk as cdk

    from examples.existing_stack import app as existing
    from tests.support import ROOT

    flags = json.loads((ROOT / "examples/existing_stack/cdk.json").read_text())["context"]
    app = cdk.App(context={**flags, "data": name.removeprefix("existing-")})
    existing.build(app)
    return {stack.stack_name: stack.template for stack in app.synth().stacks}


def merged(stacks: Mapping[str, Template]) -> Template:
    """Return several stacks as one, with references between them made direct."""

    def direct(value: Any) -> Any:
        match value:
            case {"Fn::GetStackOutput": {"StackName": str(stack), "OutputName": str(output)}}:
                return stacks[stack]["Outputs"][output]["Value"]
            case dict():
                return {key: direct(part) for key, part in value.items()}
            case list():
                return [direct(part) for part in value]
        return value

    return {"Resources": {key: direct(body) for stack in stacks.values() for key, body in stack["Resources"].items()}}


def spread(template: Template, homes: Mapping[str, str]) -> dict[str, Template]:
    """Lay a template out over several stacks; what refers to another stack becomes an import of its export."""
    names = sorted(set(homes.values()))
    # What a change adds lives in the first stack, and is imported from there as well.
    homes = {key: homes.get(key, names[0]) for key in template["Resources"]}
    stacks: dict[str, Template] = {name: {"Resources": {}, "Outputs": {}} for name in names}
    for name in names:
        stacks[name] |= {key: copy.deepcopy(template[key]) for key in ("Parameters", "Conditions") if key in template}

    def exported(key: str, value: Any) -> Any:
        name = f"{homes[key]}:{re.sub('[^A-Za-z0-9]', '', json.dumps(value))}"
        stacks[homes[key]]["Outputs"][name.replace(":", "")] = {"Value": value, "Export": {"Name": name}}
        return {"Fn::ImportValue": name}

    def imported(value: Any, here: str) -> Any:
        match value:
            case {"Ref": str(key)} | {"Fn::GetAtt": [str(key), _]} if homes.get(key, here) != here:
                return exported(key, value)
            case {"Fn::GetAtt": str(dotted)} if homes.get(dotted.partition(".")[0], here) != here:
                return exported(dotted.partition(".")[0], value)
            case {"Fn::Sub": str(text)}:
                return _substituted(text, lambda key: homes.get(key, here) != here, exported)
            case dict():
                return {key: imported(part, here) for key, part in value.items()}
            case list():
                return [imported(part, here) for part in value]
        return value

    for key, body in template["Resources"].items():
        here = homes.get(key, names[0])
        stacks[here]["Resources"][key] = imported(body, here)
    return stacks


def _substituted(text: str, is_foreign: Any, exported: Any) -> Any:
    names: dict[str, Any] = {}

    def value(found: re.Match[str]) -> str:
        key, _, attribute = found[1].partition(".")
        if key.startswith("!") or not is_foreign(key):
            return found[0]
        reference = {"Fn::GetAtt": [key, attribute]} if attribute else {"Ref": key}
        names[f"V{len(names)}"] = exported(key, reference)
        return "${" + f"V{len(names) - 1}" + "}"

    changed = re.sub(r"\$\{([^}]*)\}", value, text)
    return {"Fn::Sub": [changed, names]} if names else {"Fn::Sub": text}
