"""The function's asset: what is staged, and that it runs with nothing else."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import session_scoping
from session_scoping.lambdas.bundle import CREDENTIAL_BROKER as BUNDLE
from session_scoping.orchestrator import TaskTokenSigner
from tests.aws.broker.conftest import AUDIENCE, ISSUER
from tests.support.stand_in_aws import KEY_ARN, StandInAws
from tests.support.task import TAGS

STAGED = {f"session_scoping/{name}" for name in BUNDLE.staged}

PROBE = """
import sys
sys.path[:] = [{target!r}] + [path for path in sys.path if path and path != {root!r}]
import importlib, json
module, _, name = {handler!r}.rpartition(".")
entry = getattr(importlib.import_module(module), name)
print(json.dumps([entry({{"token": "x"}}, None), sorted(
    [name, getattr(module, "__file__", None) or ""] for name, module in sys.modules.items()
)]))
"""


def files(folder: Path) -> set[str]:
    """Return every file below a folder."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_listed_files_are_staged_and_no_others(tmp_path: Path) -> None:
    """The directory is made, and the same call twice gives the same content."""
    first = BUNDLE.stage(tmp_path / "a" / "b")
    assert files(first) == STAGED
    BUNDLE.stage(first)
    assert files(first) == STAGED
    assert all((first / name).stat().st_mode & 0o777 == 0o644 for name in STAGED)


def test_the_staged_handler_needs_boto3_and_nothing_else(tmp_path: Path) -> None:
    """It starts where only the standard library and boto3 can be found, and imports every staged file but none more."""
    target = BUNDLE.stage(tmp_path / "asset")
    libraries = tmp_path / "libraries"
    libraries.mkdir()
    packages = Path(sysconfig.get_paths()["purelib"])
    for name in ("boto3", "botocore", "jmespath", "s3transfer", "dateutil", "urllib3", "six.py"):
        (libraries / name).symlink_to(packages / name)
    code = PROBE.format(target=str(target), root=str(Path(session_scoping.__file__).parents[1]), handler=BUNDLE.handler)
    # -S leaves site-packages out, and the editable install with it; -B writes no bytecode into the asset.
    done = subprocess.run(
        [sys.executable, "-S", "-B", "-c", code],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(libraries), "AWS_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        check=True,
    )
    line, printed = map(json.loads, done.stdout.splitlines())
    answer, modules = printed
    assert answer["error"]["code"] == line["code"] == "Misconfigured"
    ours = {path for name, path in modules if name.split(".")[0] == "session_scoping"}
    assert ours == {str(target / name) for name in STAGED}
    assert files(target) == STAGED
    assert not {name.split(".")[0] for name, _ in modules} & {"aws_cdk", "jsii", "z3", "moto", "pytest"}


EXCHANGE = """
import json, sys
sys.path.insert(0, {target!r})
from botocore.config import Config
from session_scoping.lambdas.credential_broker import exchange
from session_scoping.broker.handler import handler
exchange.CONFIG = exchange.CONFIG.merge(Config(read_timeout=60))  # however busy the machine is
from tests.support.stand_in_aws import Context
answer = handler({{"token": sys.stdin.read()}}, Context())
print(json.dumps([answer, sys.modules["session_scoping"].__file__]))
"""


def test_the_staged_handler_exchanges_a_token(tmp_path: Path, aws: StandInAws) -> None:
    """In a process of its own, by the machine's own clock, the asset does what the package does."""
    target = BUNDLE.stage(tmp_path / "asset")
    token = TaskTokenSigner(KEY_ARN, issuer=ISSUER, audience=AUDIENCE).issue(TAGS)
    done = subprocess.run(
        [sys.executable, "-B", "-c", EXCHANGE.format(target=str(target))],
        cwd=Path(__file__).parents[3],
        input=token,
        capture_output=True,
        text=True,
        check=True,
    )
    line, printed = map(json.loads, done.stdout.splitlines())
    answer, package = printed
    assert answer["AssumedRoleUser"]["Arn"].endswith("/AgentSession/task-0042")
    assert (line["code"], line["verified"]) == ("Issued", True)
    assert package == str(target / "session_scoping" / "__init__.py")
    assert aws.actions() == ["kms:Sign", "kms:Verify", "dynamodb:BatchGetItem"]
