"""Run one task: `python -m examples.reference_agent --task-file /run/task.json`."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from examples.reference_agent.errand import errand
from examples.reference_agent.run import run_task
from examples.reference_agent.settings import Settings
from session_scoping import SessionScopingError
from session_scoping.agent import TaskSession, read_task_file


def main(argv: Sequence[str] | None = None) -> int:
    """Run the task named in the task file and return its exit code."""
    parser = argparse.ArgumentParser(prog="reference-agent")
    parser.add_argument("--task-file", required=True, help="tags of the task, readable by this user only")
    arguments = parser.parse_args(argv)
    try:
        session, settings = TaskSession(read_task_file(arguments.task_file)), Settings.from_environment()
        with tempfile.TemporaryDirectory() as folder:
            return run_task(session, settings, errand(session, settings, Path(folder)))
    except SessionScopingError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the agent's last words
        return 1


if __name__ == "__main__":
    sys.exit(main())
