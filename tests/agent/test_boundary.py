"""What importing the agent half loads, and how long that takes."""

import json
import subprocess
import sys

PROBE = """
import json, sys
{setup}
print(json.dumps({{"modules": sorted(sys.modules)}}))
"""


def modules_after(setup: str) -> set[str]:
    """Return the modules a fresh interpreter has loaded after a few lines."""
    done = subprocess.run([sys.executable, "-c", PROBE.format(setup=setup)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout)["modules"])


EVERYTHING = (
    "from session_scoping import SessionTags\n"
    "from session_scoping.agent import TaskSession, unsafe_ambient_session, read_task_file\n"
    "import session_scoping.agent.credentials, session_scoping.agent.child, session_scoping.agent.audit"
)


def test_the_agent_half_never_loads_the_cdk() -> None:
    """Importing all of it loads no aws_cdk, jsii, solver or terminal library."""
    loaded = {name.split(".")[0] for name in modules_after(EVERYTHING)}
    assert "boto3" in loaded
    assert not loaded & {"aws_cdk", "jsii", "constructs", "cdk_nag", "z3", "rich", "moto", "pytest"}


def test_the_agent_half_needs_boto3_alone() -> None:
    """Every top-level package it adds to plain boto3 is the standard library's or ours."""
    added = {name.split(".")[0] for name in modules_after(EVERYTHING) - modules_after("import boto3")}
    foreign = added - set(sys.stdlib_module_names) - {"session_scoping"}
    assert foreign == set()


def test_the_audit_runs_without_boto3() -> None:
    """A CI job can audit an agent with the base package alone."""
    loaded = modules_after("from session_scoping.agent.audit import audit")
    assert "boto3" not in {name.split(".")[0] for name in loaded}


def test_missing_boto3_names_the_extra() -> None:
    """Without boto3 the error says which extra to install."""
    code = (
        "import sys; sys.modules['boto3'] = None\n"
        "from session_scoping import MissingExtraError\n"
        "try:\n    from session_scoping.agent import TaskSession\n"
        "except MissingExtraError as error:\n    assert 'session-scoping[agent]' in str(error)\n"
        "else:\n    raise SystemExit('loaded')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
