"""Run one task: `python -m examples.reference_agent --task-file /run/task.json`."""

import argparse
import sys

from examples.reference_agent.run import run_task
from examples.reference_agent.settings import Settings
from session_scoping import SessionScopingError
from session_scoping.agent import TaskSession, read_task_file


def main() -> int:
    """Run the task named in the task file and return its exit code."""
    parser = argparse.ArgumentParser(prog="reference-agent")
    parser.add_argument("--task-file", required=True, help="tags of the task, readable by this user only")
    arguments = parser.parse_args()
    try:
        session = TaskSession(read_task_file(arguments.task_file))
        return run_task(session, Settings.from_environment(), lambda description, nudges: 0)  # noqa: ARG005
    except SessionScopingError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the agent's last words
        return 1


if __name__ == "__main__":
    sys.exit(main())
