"""The reference stack, synthesized once for each set of switches."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support import RECOMMENDED_FLAGS, ROOT
from tests.support.shared import shared


def synthesize_reference(**context: Any) -> dict[str, Any]:
    """Return the reference stack's template under the project's own flags and this context."""
    name = "-".join(["reference", *(f"{key}={value}" for key, value in sorted(context.items()))])
    template: dict[str, Any] = shared(name, lambda: _synthesize(context))
    return template


def _synthesize(context: dict[str, Any]) -> dict[str, Any]:
    import aws_cdk as cdk

    from app import STACK_NAME, ReferenceStack

    app = cdk.App(context={**RECOMMENDED_FLAGS, **context})
    ReferenceStack(app, STACK_NAME, synthesizer=cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False))
    template: dict[str, Any] = app.synth().get_stack_by_name(STACK_NAME).template
    return template


# The first one as the CDK CLI runs it; the others need no process of their own, which would cost seconds each.
_APPS = """
import json, runpy, sys

runpy.run_path("app.py", run_name="__main__")

import app
import aws_cdk as cdk

for out, context in json.loads(sys.argv[1]):
    made = cdk.App(outdir=out, post_cli_context=context)
    app.build(made)
    made.synth()
"""


def run_app(switches: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """
    Return what `app.py` leaves for each set of switches, by name, with the CDK's own validation on.

    Args:
        switches: Context by name; the first must be empty.

    Returns:
        `template` and the plugins' reports by `pluginName` as `reports`, by the names of the switches.
    """
    found: dict[str, dict[str, Any]] = shared(f"app-{json.dumps(switches)}", lambda: _run_app(switches))
    return found


def _run_app(switches: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    from app import STACK_NAME

    with tempfile.TemporaryDirectory() as folder:
        (first, none), *others = ((Path(folder, name), context) for name, context in switches.items())
        assert not none, "what the CLI hands over in the environment would reach the others too"
        for_cli = {"CDK_OUTDIR": str(first), "CDK_CONTEXT_JSON": json.dumps(RECOMMENDED_FLAGS)}
        rest = json.dumps([(str(out), context) for out, context in others])
        done = subprocess.run(
            [sys.executable, "-c", _APPS, rest], cwd=ROOT, env={**os.environ, **for_cli, "CDK_VALIDATION": "true"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return {out.name: _left(out, STACK_NAME) for out in (first, *(out for out, _ in others))}


def _left(out: Path, stack_name: str) -> dict[str, Any]:
    report = json.loads((out / "validation-report.json").read_text())
    return {
        "template": json.loads((out / f"{stack_name}.template.json").read_text()),
        "reports": {plugin["pluginName"]: plugin for plugin in report["pluginReports"]},
    }
