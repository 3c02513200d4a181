"""The built wheel, installed into an empty environment."""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built as a release builds it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """No test, example or tool reaches an agent image; the type marker and the action data do."""
    names = zipfile.ZipFile(wheel).namelist()
    assert "session_scoping/py.typed" in names
    assert {"session_scoping/aws/data/dynamodb.json", "session_scoping/aws/data/LICENSE.iam-data"} <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"session_scoping"}


def test_wheel_works_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Without any extra the contract imports, and the constructs name the extra they need."""
    venv.create(tmp_path / "env", with_pip=False)
    python = tmp_path / "env" / "bin" / "python"
    install = ["uv", "pip", "install", "--quiet", "--offline", "--no-deps", "--python", str(python), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    code = (
        "from session_scoping import SessionTags\nprint(SessionTags(task_id='T1'))\n"
        "try:\n from session_scoping import SessionRole\nexcept ImportError as error:\n print(error)"
    )
    done = subprocess.run([str(python), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "SessionTags(task_id=…)"
    assert 'pip install "session-scoping[cdk]"' in done.stdout
