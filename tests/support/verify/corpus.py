"""What the verifier says of templates, asked through its public function; and assemblies as CDK writes them."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from session_scoping.verify import Report, Result, verify


def verify_stacks(stacks: Mapping[str, dict[str, Any]], **options: Any) -> Report:
    """Return the report on several stacks, by their names; `options` as for `verify`."""
    with TemporaryDirectory() as directory:
        for name, template in stacks.items():
            (Path(directory) / f"{name}.template.json").write_text(json.dumps(template))
        return verify(directory, **options)


def results_of(template: dict[str, Any], *rules: str, **options: Any) -> list[Result]:
    """Return what is said of one template under some rules; the others are not asked."""
    return list(verify(template, only=rules, **options).results)


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
