"""What the verifier reads of templates, and assemblies as CDK writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from session_scoping.verify.collecting import collect
from session_scoping.verify.infer import Options
from session_scoping.verify.links import link
from session_scoping.verify.model import Estate
from session_scoping.verify.plan import plan
from session_scoping.verify.report import Result
from session_scoping.verify.scope import Scope


def estate_of(template: dict[str, Any]) -> Estate:
    """Return the estate of one template."""
    return estate_of_stacks({"S": template})


def estate_of_stacks(stacks: Mapping[str, dict[str, Any]]) -> Estate:
    """Return the estate of several stacks, by their names."""
    return collect(link([Scope(name, template) for name, template in stacks.items()]))


def results_of(template: dict[str, Any], rule: str, **options: Any) -> list[Result]:
    """Return what is said of one template under one rule; the others are not asked."""
    steps = plan(estate_of(template), Options(**options)).steps
    return [step.run() for step in steps if step.rule == rule]


def assembly(directory: Path, *stacks: tuple[str, str, dict[str, Any]]) -> Path:
    """Write stacks, each with its name and environment, as `cdk synth` does; return the directory."""
    artifacts = {}
    for number, (name, environment, template) in enumerate(stacks):
        file = f"Stack{number}.template.json"
        (directory / file).write_text(json.dumps(template))
        artifacts[f"Stack{number}"] = {
            "type": "aws:cloudformation:stack", "environment": environment,
            "properties": {"templateFile": file, "stackName": name},
        }  # fmt: skip
    (directory / "manifest.json").write_text(json.dumps({"version": "1", "artifacts": artifacts}))
    return directory
