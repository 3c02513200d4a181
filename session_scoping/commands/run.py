"""`session-scoping run --task-file FILE -- CMD ...`: a command with a task's credentials and no others."""

import argparse
import logging
import signal
import sys
from typing import TYPE_CHECKING, Any

from session_scoping.contract.errors import InvalidInputError, SessionScopingError

if TYPE_CHECKING:
    from session_scoping.agent import TaskSession

NOT_STARTED, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127
"""Exit codes of this command itself, those of env(1) and timeout(1); any other one is the child's."""

_EPILOG = """\
exit codes:
  the command's own; 128+N where signal N ended it
  125  the command was not started: the task, the role or the policy cannot be used
  126  the command cannot be executed
  127  there is no such command
  2    the command line is wrong

example:
  session-scoping run --task-file /run/agent/task.json --policy-file child-policy.json -- coding-cli --yes

A hostile command is not contained: it reads what this user can read. Variables that may lead to AWS credentials are
removed, with all others of AWS_* that are not known to be harmless; give one back with `-- env AWS_X=... CMD`.
"""

_FIRST_SECONDS = 10.0
"""How long the command waits for the first credentials. It starts without them: it may need none."""
_STARTED = "the command is started, and its AWS calls fail until there are credentials"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `run`."""
    parser.usage = "session-scoping run (--task-file PATH | --task-token-file PATH) [options] -- CMD [ARG ...]"
    parser.epilog = _EPILOG
    task = parser.add_mutually_exclusive_group(required=True)
    task.add_argument(
        "--task-file", metavar="PATH", help="JSON object of the task's tags, as write_task_file() writes it"
    )
    task.add_argument("--task-token-file", metavar="PATH", help="the task token, where a broker or STS exchanges one")
    parser.add_argument("--role-arn", metavar="ARN", help="session role (default: AGENT_SESSION_ROLE_ARN)")
    parser.add_argument("--policy-file", metavar="PATH", help="session policy that narrows the command (default: none)")
    parser.add_argument("--region", metavar="REGION", help="AWS Region (default: the environment's)")
    parser.add_argument("cmd", nargs=argparse.REMAINDER, metavar="CMD", help="the command and its arguments")


def run(arguments: argparse.Namespace) -> int:
    """Run the command with the task's credentials alone, return its exit code."""
    command = arguments.cmd[1:] if arguments.cmd[:1] == ["--"] else arguments.cmd
    if not command:
        raise InvalidInputError(
            "there is no command to run",
            got="a command line that ends before it",
            expected="-- CMD [ARG ...]",
            why="nothing would be started",
            fix="add it at the end",
        )
    logging.getLogger("session_scoping").addHandler(logging.StreamHandler(sys.stderr))
    try:
        session = _session(arguments)
        from session_scoping.agent.children.endpoint import child_environment
        from session_scoping.agent.children.process import run_child, signals_held, without_a_child
    except SessionScopingError as error:
        return _failed(str(error), NOT_STARTED)
    with signals_held() as mask, child_environment(session) as environment:
        try:
            if not without_a_child(lambda: _first_credentials(session), mask, _FIRST_SECONDS):
                _say(f"no credentials after {_FIRST_SECONDS:.0f} seconds; {_STARTED}")
            return run_child(command, environment, mask)
        except KeyboardInterrupt:
            return 128 + signal.SIGINT
        except OSError as error:
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            return _failed(f"the command cannot be started: got {type(error).__name__} on `{command[0]}`", code)


def _session(arguments: argparse.Namespace) -> "TaskSession":
    from session_scoping.agent import TaskSession, read_task_file
    from session_scoping.agent.children.session_policy import read_session_policy

    policy = None if arguments.policy_file is None else read_session_policy(arguments.policy_file)
    where = {"role_arn": arguments.role_arn, "region_name": arguments.region}
    if arguments.task_file is not None:
        return TaskSession(read_task_file(arguments.task_file), session_policy=policy, **where)
    session = TaskSession.from_token(arguments.task_token_file, **where)
    return session if policy is None else session.derive(session_policy=policy)


def _first_credentials(session: "TaskSession") -> None:
    """Fetch them before the command asks, since SDKs wait a second or two for an endpoint; say why there are none."""
    credentials: Any = session.boto3_session.get_credentials()
    try:
        credentials.get_frozen_credentials()
    except SessionScopingError as error:
        _say(f"{error}; {_STARTED}")


def _failed(text: str, code: int) -> int:
    _say(text)
    return code


def _say(text: str) -> None:
    if sys.stderr is not None:  # print() would take standard output instead
        print(f"session-scoping: {text}", file=sys.stderr)  # noqa: T201 - standard output is the command's
