"""Local enforcement for the examples: moto plays AWS, and the synthesized policies decide each request first."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aws_cdk as cdk
import boto3
from botocore.exceptions import ClientError

from session_scoping.testing.enforcement import EnforcedPolicies
from session_scoping.testing.moto_server import MISLEADING, empty, moto_server, settings

REGION = "us-east-1"


def synthesized(build: Callable[[cdk.App], cdk.Stack], **context: str) -> dict[str, Any]:
    """Return the template of an example's stack, with construct paths in it, as the CDK's command line has them."""
    app = cdk.App(context={"aws:cdk:enable-path-metadata": True, **context})
    stack = build(app)
    template: dict[str, Any] = app.synth().get_stack_by_name(stack.stack_name).template
    return template


@contextmanager
def local_aws(template: Mapping[str, Any]) -> Iterator[EnforcedPolicies]:
    """Deploy a template to a moto server, and enforce its policies on boto3 in this process until the block ends."""
    before = dict(os.environ)
    boto3.DEFAULT_SESSION = None
    for name in MISLEADING:
        os.environ.pop(name, None)
    try:
        with moto_server() as url:
            empty(url)
            os.environ |= settings(url, REGION)
            with EnforcedPolicies(template, region=REGION).installed() as policies:
                policies.deploy(owner())
                yield policies
    finally:
        os.environ.clear()
        os.environ |= before


def owner() -> boto3.Session:
    """Return the owner of the account, outside `as_role`: seeds what exists before the example runs."""
    return boto3.Session(region_name=REGION)


def answer_to(call: Callable[[], object]) -> str:
    """Make a call; return `done`, or `denied` when AWS denied it."""
    try:
        call()
    except ClientError as error:
        if "AccessDenied" not in error.response["Error"]["Code"]:
            raise
        return "denied"
    return "done"


class Checks:
    """Prints what happened, line by line, and counts what should not have."""

    def __init__(self) -> None:
        self.wrong = 0

    def show(self, what: str, answer: object, *, expected: object) -> None:
        """Print one answer; mark and count it when it is another than expected."""
        right = answer == expected
        self.wrong += not right
        sys.stdout.write(f"{what:58} {answer}{'' if right else f'   WRONG, expected {expected}'}\n")
