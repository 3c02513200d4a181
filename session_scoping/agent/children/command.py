"""
The `session-scoping-credentials` command: a `credential_process` for the child processes of a task.

Prints version-1 JSON on standard output, and nothing there when anything fails. This narrows honest children
only: one that can read the task file and the compute role's credentials is not contained.

Source: AWS SDKs and Tools Reference Guide, Process credential provider.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from datetime import UTC

from session_scoping.contract.doors import installed_version
from session_scoping.contract.errors import SessionScopingError

_RUNNING = "SESSION_SCOPING_CREDENTIALS_RUNNING"
"""Set while the command runs: its own credential lookup must not start it again."""

_EPILOG = """\
exit codes:
  0  the credentials are on standard output
  1  there are none, for the reason on standard error
  2  the command line is wrong

example, in the child's AWS configuration file:
  credential_process = session-scoping-credentials --task-file /run/agent/task.json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Print credentials of the task, narrowed for a child, and return the exit code.

    Returns:
        0 with the credentials on standard output; 1 with one line on standard error when they cannot be had.
        A wrong command line exits with 2.
    """
    arguments = _parser().parse_args(argv)
    if sys.stdout is None:
        return _failed("standard output is closed, so nothing was asked for")
    try:
        output = _credentials(arguments)
    except SessionScopingError as error:
        return _failed(str(error))
    except Exception as error:
        return _failed(f"unexpected {type(error).__name__}; its text is not shown because it may hold secrets")
    try:
        sys.stdout.write(output)
        sys.stdout.flush()
    except OSError as error:
        return _failed(f"standard output cannot be written: {type(error).__name__}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="session-scoping-credentials",
        description="Print credentials of one task for a child process (credential_process, version 1).\n"
        "Narrows honest children only: one that can read the task file and the compute role's credentials\n"
        "is not contained.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"session-scoping-credentials {installed_version()}")
    parser.add_argument(
        "--task-file",
        required=True,
        metavar="PATH",
        help="JSON object of the task's tags; readable by its owner only",
    )
    parser.add_argument("--role-arn", metavar="ARN", help="session role (default: AGENT_SESSION_ROLE_ARN)")
    parser.add_argument(
        "--policy-file",
        metavar="PATH",
        help="session policy that says what the child needs (default: the models only)",
    )
    parser.add_argument("--region", metavar="REGION", help="Region of the STS endpoint (default: the environment's)")
    return parser


def _credentials(arguments: argparse.Namespace) -> str:
    _refuse_recursion()
    # Here, not above: a missing boto3 is one line on standard error like every other failure.
    from session_scoping.agent.children.credentials import child_credentials
    from session_scoping.agent.children.session_policy import read_session_policy
    from session_scoping.agent.children.task_file import read_task_file

    logging.getLogger("session_scoping").addHandler(logging.StreamHandler(sys.stderr))
    policy = None if arguments.policy_file is None else read_session_policy(arguments.policy_file)
    found = child_credentials(
        read_task_file(arguments.task_file),
        role_arn=arguments.role_arn,
        session_policy=policy,
        region_name=arguments.region,
    )
    return json.dumps(
        {
            "Version": 1,
            "AccessKeyId": found.access_key_id,
            "SecretAccessKey": found.secret_access_key,
            "SessionToken": found.session_token,
            "Expiration": found.expiration.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
    )


def _refuse_recursion() -> None:
    if os.environ.get(_RUNNING):
        raise SessionScopingError(
            "session-scoping-credentials was started by its own credential lookup: got a profile that names "
            "it as source of the compute role's credentials, expected a task role, execution role or keys; "
            "it would start itself without end; fix: give the profile to the child only"
        )
    os.environ[_RUNNING] = "1"


def _failed(text: str) -> int:
    if sys.stderr is not None:  # print() would take standard output instead
        print(f"session-scoping-credentials: {text}", file=sys.stderr)  # noqa: T201 - a command speaks on stderr
    return 1


if __name__ == "__main__":
    sys.exit(main())
