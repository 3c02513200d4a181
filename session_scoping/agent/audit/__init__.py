"""
Which client of an agent uses which credentials, read from its source.

`audit("src")` lists every boto3 or botocore construction; `problems` are those that reach a tenant service
without a TaskSession, or may: what the source does not show is reported, not skipped. It reads code, so it does not
see what `eval`, another library or a command line does.
"""

import argparse
from collections.abc import Collection

from session_scoping.agent.audit.report import TENANT_SERVICES, Construction, Report, audit

__all__ = ["TENANT_SERVICES", "Construction", "Report", "audit"]


_EPILOG = """\
exit codes:
  0  every client of a tenant service is made by a TaskSession
  1  one is not, or may not be
  2  the command line is wrong, or there is no Python file

example:
  session-scoping audit src
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `session-scoping audit`."""
    parser.epilog = _EPILOG
    parser.add_argument("src", nargs="+", metavar="SRC", help="Python file or folder of the agent")
    parser.add_argument(
        "--tenant-service",
        action="append",
        metavar="NAME",
        help=f"service that holds tenant data, repeatable (default: {', '.join(TENANT_SERVICES)})",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print every construction; return 1 when one is a problem."""
    tenant: Collection[str] = arguments.tenant_service or TENANT_SERVICES
    report = audit(*arguments.src, tenant_services=tenant)
    print(report)  # noqa: T201 - the report is the command's output
    return 1 if report.problems else 0
