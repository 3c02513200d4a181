"""
Builds the wheel and the source distribution, and tries both in clean environments: `make dist`.

Every supported Python that is on the machine is tried with the lowest and the newest versions of what the extras need;
those that are not are named. The release workflow tries all of them.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
SUPPORTED = ("3.11", "3.12", "3.13", "3.14")
TRY = (
    "import session_scoping, session_scoping.agent, session_scoping.verify as v, sys;"
    "print(session_scoping.SessionTags(task_id='T1'), sys.version.split()[0]);"
    "r = v.verify({'Resources': {}}); assert r.results[0].status == 'VACUOUS', r"
)


def main() -> int:
    """Build and try; return 1 where something does not work."""
    parser = argparse.ArgumentParser(prog="python -m tools.dist", description=__doc__.splitlines()[1])
    parser.add_argument("--tag", help="fail unless the version is that of this tag, such as v0.2.0")
    parser.add_argument("--check-with", metavar="PYTHON", help="build nothing; try dist with this Python alone")
    arguments = parser.parse_args()
    if arguments.check_with:
        return _try(arguments.check_with)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    if arguments.tag and arguments.tag != f"v{project['version']}":
        return _fail(f"the tag {arguments.tag} is not v{project['version']}, the version in pyproject.toml")
    if arguments.tag and any("OWNER" in url for url in project["urls"].values()):
        return _fail("pyproject.toml still says OWNER in [project.urls]")
    shutil.rmtree(DIST, ignore_errors=True)
    _run(sys.executable, "-m", "hatchling", "build", "-d", str(DIST))
    found = [name for name in SUPPORTED if _works(f"python{name}")]
    for name in sorted({*SUPPORTED} - {*found}):
        print(f"Python {name} is not on this machine: not tried here")
    return max([_try(f"python{name}") for name in found], default=1)


def _works(python: str) -> bool:
    """Whether a Python is on the machine; a shim may be there without one."""
    done = subprocess.run([python, "-c", ""], capture_output=True, check=False) if shutil.which(python) else None
    return done is not None and done.returncode == 0


def _try(python: str) -> int:
    """Install each built file into an environment of its own and use it."""
    built = sorted(DIST.glob("session_scoping-*"))
    if len(built) != 2:
        return _fail(f"dist has {len(built)} files, not a wheel and a source distribution; fix: make dist")
    for file in built:
        for resolution in ("lowest-direct", "highest"):
            with tempfile.TemporaryDirectory() as folder:
                env = Path(folder) / "env"
                _run(python, "-m", "venv", str(env))
                inside = str(env / "bin" / "python")
                _run(inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "uv")
                command = [str(env / "bin" / "uv"), "pip", "install", "--quiet", "--python", inside]
                _run(*command, "--resolution", resolution, f"session-scoping[agent,verify] @ {file.as_uri()}")
                print(f"{file.name}, {resolution}: {_run(inside, '-c', TRY, cwd=folder).strip()}", flush=True)
                _run(str(env / "bin" / "session-scoping"), "--version")
    return 0


def _run(*command: str, cwd: str | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{re.sub(r'(?m)^warning.*$', '', done.stderr)}")
    return done.stdout


def _fail(why: str) -> int:
    print(why, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
