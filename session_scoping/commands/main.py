"""The `session-scoping` command: one subcommand per part, each imported only when it is called."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from session_scoping.contract.doors import installed_version
from session_scoping.contract.errors import SessionScopingError

# Subcommand -> the module that has `configure(parser)` and `run(arguments) -> exit code`.
_COMMANDS: dict[str, tuple[str, str]] = {
    "audit": ("session_scoping.agent.audit", "report which AWS clients of an agent use which credentials"),
    "verify": ("session_scoping.commands.verify", "prove that no session reaches another session's data"),
    "explain": ("session_scoping.commands.explain", "show who can assume what, and what each session reaches"),
    "run": ("session_scoping.commands.run", "run a command with a task's credentials and no others"),
    "revoke": ("session_scoping.commands.revoke.command", "end sessions of a deployed role, by time or by tag"),
    "validate": (
        "session_scoping.commands.validate.command",
        "compare what AWS says of the templates' policies with the verifier",
    ),
}

_EPILOG = """\
exit codes:
  0  what was asked for holds, or is done
  1  it does not hold, or AWS refused
  2  the command line or an input is wrong, or an extra is missing
  `run` ends with the exit code of the command it runs.

example:
  session-scoping verify cdk.out

session-scoping COMMAND --help says more of each.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; 2 when the command line or an extra is wrong."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="session-scoping",
        description="Check, prove, use and revoke scoped AWS sessions.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"session-scoping {installed_version()}")
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in _COMMANDS.items():
        subparser = subparsers.add_parser(
            name, help=summary, description=summary, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        if arguments[:1] == [name]:
            import_module(module).configure(subparser)
    parsed = parser.parse_args(arguments)
    try:
        return int(import_module(_COMMANDS[parsed.command][0]).run(parsed))
    except SessionScopingError as error:
        print(f"session-scoping: {error}", file=sys.stderr)  # noqa: T201 - a command speaks on stderr
        return 2


if __name__ == "__main__":
    sys.exit(main())
