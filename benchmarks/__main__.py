"""Measure and rewrite the tables of README.md, or check those that no machine changes: see the Makefile."""

import argparse
import os
import subprocess
import sys
from importlib import import_module

from benchmarks.process import ENVIRONMENT
from benchmarks.report import LOAD, check, made_by, write

# The packages whose versions matter to each group of tables.
GROUPS = {
    "constructs": ("aws-cdk-lib", "jsii"),
    "sts_load": ("botocore",),
    "processes": ("aws-cdk-lib", "jsii"),
    "verifier": ("z3-solver",),
    "agent": ("boto3", "botocore"),
    "availability": ("botocore",),
    "sessions": ("boto3", "botocore"),
    "peers": ("botocore", "aws-assume-role-lib", "boto-session-manager", "boto3-refresh-session"),
}
APART = "peers"  # runs in an environment that has the other packages: `make bench-peers`
SAME_ON_EVERY_MACHINE = ("constructs", "sts_load")


def main() -> None:
    """Run each group in a process of its own, so that none measures what another has loaded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", help=", ".join(GROUPS), metavar="GROUP")
    parser.add_argument("--check", action="store_true", help="recompute and compare, write nothing")
    arguments = parser.parse_args()
    groups = arguments.groups or (
        SAME_ON_EVERY_MACHINE if arguments.check else tuple(group for group in GROUPS if group != APART)
    )
    os.environ.setdefault(LOAD, f"{os.getloadavg()[0]:.1f}")
    if len(groups) > 1:
        options = ["--check"] if arguments.check else []
        commands = [[sys.executable, "-m", "benchmarks", group, *options] for group in groups]
        sys.exit(max(subprocess.run(command, check=False).returncode for command in commands))
    os.environ.update(ENVIRONMENT)
    source = made_by(groups[0], GROUPS[groups[0]])
    tables = list(import_module(f"benchmarks.{groups[0]}").tables())
    problems = [problem for table in tables for problem in table.missed]
    if arguments.check:
        problems += check(tables)
    else:
        write(tables, source)
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
