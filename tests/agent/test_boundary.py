"""What importing the agent half loads, and how long that takes."""

import ast
import inspect
import json
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest

import session_scoping
import session_scoping.agent.audit as audit_package
from session_scoping import agent

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
    "import session_scoping.agent.children.command, session_scoping.agent.children.credentials\n"
    "import session_scoping.agent.audit, session_scoping.agent.sources.token_exchange, session_scoping.orchestrator\n"
    "import session_scoping.lambdas.credential_broker.handler"
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


def test_the_token_s_contract_runs_without_boto3() -> None:
    """The constructs read names and limits of tokens from modules of the standard library alone."""
    loaded = modules_after(
        "import session_scoping.contract.jws, session_scoping.contract.names, session_scoping.lambdas.bundle"
    )
    assert not {name.split(".")[0] for name in loaded} & {"boto3", "botocore", "aws_cdk"}


def imported_for_types(module: ModuleType) -> dict[str, str]:
    """Return the names under `if TYPE_CHECKING:` of a module, each with the module it comes from."""
    tree = ast.parse(inspect.getsource(module))
    [block] = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_the_agent_s_door_is_said_alike_three_times() -> None:
    """What loads, what is listed and what a type checker sees are the same names from the same modules."""
    seen = imported_for_types(agent)
    assert agent.__all__ == sorted(seen) == dir(agent)
    for name, home in seen.items():
        assert getattr(agent, name) is getattr(import_module(home), name)


def test_the_package_s_door_is_said_alike_three_times() -> None:
    """What loads, what is listed and what a type checker sees are the same names from the same modules."""
    seen = imported_for_types(session_scoping)
    assert session_scoping.__all__ == sorted(seen) == dir(session_scoping)
    for name, home in seen.items():
        assert getattr(session_scoping, name) is getattr(import_module(home), name)


def test_the_audit_s_door_has_no_parts_of_the_command() -> None:
    """How the command line reaches the audit is no business of adopters."""
    assert not {"configure", "run"} & set(audit_package.__all__)


@pytest.mark.parametrize("missing", ["boto3", "botocore"])
def test_missing_boto3_names_the_extra(missing: str) -> None:
    """Without boto3, or the botocore that it stands on, the error says which extra to install."""
    code = (
        "import sys\n"
        "class Without:\n"
        "    def find_spec(self, name, *_):\n"
        f"        if name == '{missing}':\n            raise ModuleNotFoundError(name=name)\n"
        "sys.meta_path.insert(0, Without())\n"
        "from session_scoping import MissingExtraError\n"
        "try:\n    from session_scoping.agent import TaskSession\n"
        "except MissingExtraError as error:\n    assert 'session-scoping[agent]' in str(error)\n"
        "else:\n    raise SystemExit('loaded')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
