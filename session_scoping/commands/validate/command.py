"""`session-scoping validate PATH`: the template's request matrix, put to AWS."""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from session_scoping.commands.verify import (
    FAILED,
    PASSED,
    add_scope_arguments,
    progress,
    stated_by,
)
from session_scoping.contract.arns import field_of
from session_scoping.contract.errors import InvalidInputError, MissingExtraError
from session_scoping.verify.public import require_extra

if TYPE_CHECKING:
    from session_scoping.commands.validate.simulation import Answer
    from session_scoping.verify.intrinsics.scope import Scope
    from session_scoping.verify.policies.binding import Binding
    from session_scoping.verify.policies.model import Deployment
    from session_scoping.verify.scoping.infer import SessionScope


_EPILOG = """\
exit codes:
  0  AWS decides every request as the verifier does
  1  it decides one otherwise, left one open, refused or was not reached, or gave an answer that cannot be read
  2  the command line or an input is wrong, or an extra is missing

example:
  session-scoping validate cdk.out --stack AgentData --profile operator
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `validate`."""
    parser.epilog = _EPILOG
    add_scope_arguments(parser)
    parser.add_argument(
        "--stack", action="append", default=[], metavar="NAME", help="ask about this deployed stack; also TEMPLATE=NAME"
    )
    parser.add_argument("--role-arn", metavar="ARN", help="ask about this deployed role (with --stack)")
    parser.add_argument("--live", action="store_true", help="also mint a probe session and read keys nobody has")
    parser.add_argument("--profile", metavar="NAME", help="AWS profile to use")
    parser.add_argument("--region", metavar="REGION", help="Region of the stack")
    parser.add_argument("--all", action="store_true", help="print what agrees as well")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Ask AWS, print the table, return the exit code."""
    require_extra("rich")
    _require_boto3()
    if (arguments.role_arn or arguments.live) and not arguments.stack:
        raise InvalidInputError(
            "a deployed role needs its stack",
            got="no --stack",
            expected="--stack NAME",
            why="the names in the deployed policies would not be those in the requests",
            fix="add --stack",
        )
    from botocore.exceptions import BotoCoreError, ClientError

    from session_scoping.commands.unreadable import UnreadableAnswerError

    try:
        return _validate(arguments)
    except UnreadableAnswerError as error:
        return _failed(str(error))
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "unknown")
        return _failed(f"AWS refused {error.operation_name}: got {code}; nothing is validated; {_advice(error)}")
    except BotoCoreError as error:
        return _failed(
            f"AWS was not reached: got {type(error).__name__}; nothing is validated; "
            "fix: check --profile, --region and the network"
        )


def _require_boto3() -> None:
    try:
        import_module("boto3")
    except ImportError as error:
        raise MissingExtraError(
            "asking AWS needs boto3: got an installation without it, expected the extras `agent` and `verify`; "
            "`session-scoping verify` does without; fix: pip install 'session-scoping[agent,verify]'"
        ) from error


def _advice(error: Any) -> str:
    needed = {
        "AssumeRole": "the trust of the session role must admit the profile, and the profile be allowed to mint",
        "ListStackResources": "the profile needs cloudformation:ListStackResources",
        "GetCallerIdentity": "the profile's credentials must be valid",
    }
    simulation = "the profile needs iam:SimulateCustomPolicy, and with --stack iam:SimulatePrincipalPolicy"
    return f"fix: {needed.get(error.operation_name, simulation)}"


def _validate(arguments: argparse.Namespace) -> int:
    import boto3

    from session_scoping.commands.validate.render import as_json, print_table
    from session_scoping.verify.options.words import demand_known
    from session_scoping.verify.proving import read_subject
    from session_scoping.verify.scoping.infer import find_session_roles, scope_of

    subject = read_subject(arguments.path, stated_by(arguments))
    scopes, deployment = subject.scopes, subject.deployment
    scoped = [scope_of(role, deployment, subject.options) for role in find_session_roles(deployment, subject.options)]
    _check_roles(scoped, arguments)
    demand_known(scopes, deployment, scoped, subject.stated)
    session = boto3.Session(profile_name=arguments.profile, region_name=arguments.region)
    binding = _binding(session, scopes, arguments.stack)
    with progress(quiet=arguments.json) as tell:
        answers = _simulated(session, deployment, scoped, binding, arguments, tell)
        if arguments.live:
            answers += _live(session, scopes, scoped, binding, arguments, tell)
    asked = ("the deployed role" if arguments.stack else "AWS") + (" (simulated and live)" if arguments.live else "")
    if arguments.json:
        sys.stdout.write(json.dumps(as_json(answers, asked), indent=2) + "\n")
    else:
        print_table(answers, asked, everything=arguments.all)
    return PASSED if answers and all(answer.agrees for answer in answers) else FAILED


def _check_roles(scoped: "Sequence[SessionScope]", arguments: argparse.Namespace) -> None:
    if not scoped:
        raise InvalidInputError(
            "there is no session role in the templates",
            got="no role that is assumed with tags",
            expected="at least one",
            why="nothing to validate is no pass",
            fix="check PATH, or name one with --session-role",
        )
    if arguments.role_arn and len(scoped) > 1:
        raise InvalidInputError(
            "--role-arn names one role",
            got=f"{len(scoped)} session roles in the templates",
            expected="one",
            why="it would be asked the other role's requests",
            fix="add --session-role",
        )


def _binding(session: Any, scopes: "Sequence[Scope]", stacks: Sequence[str]) -> "Binding":
    """Return physical names: those of the deployed stacks, or made-up ones for the simulator."""
    from session_scoping.commands.unreadable import NOT_VALIDATED, reading, text_of
    from session_scoping.commands.validate.deployed import environment_of, physical_names, stack_names
    from session_scoping.verify.policies.binding import Binding

    if not stacks:
        return Binding()
    names = stack_names(scopes, stacks)
    with reading("GetCallerIdentity", consequence=NOT_VALIDATED):
        identity = session.client("sts").get_caller_identity()
        arn, account = text_of(identity["Arn"]), text_of(identity["Account"])
    given = environment_of(scopes, account, session.region_name or "us-east-1", field_of(arn, "partition"))
    return Binding({**given, **physical_names(session.client("cloudformation"), scopes, names)})


def _simulated(
    session: Any,
    deployment: "Deployment",
    scoped: "Sequence[SessionScope]",
    binding: "Binding",
    arguments: Any,
    tell: Any,
) -> "list[Answer]":
    from botocore.config import Config

    from session_scoping.commands.unreadable import NOT_VALIDATED, reading
    from session_scoping.commands.validate.matrix import cases_of
    from session_scoping.commands.validate.simulation import PolicySimulator

    with reading("SimulateCustomPolicy", consequence=NOT_VALIDATED):  # an endpoint that is no address is a ValueError
        # The simulator's rate is not published: back off as long as it takes.
        iam = session.client("iam", config=Config(retries={"mode": "adaptive", "max_attempts": 10}))
    arn = (lambda role: arguments.role_arn or binding.text(role.arn)) if arguments.stack else None
    cases = [case for item in scoped for case in cases_of(item, deployment, binding)]
    return PolicySimulator(iam, binding, arn).ask(cases, tell)


def _live(
    session: Any,
    scopes: "Sequence[Scope]",
    scoped: "Sequence[SessionScope]",
    binding: "Binding",
    arguments: Any,
    tell: Any,
) -> "list[Answer]":
    import boto3

    from session_scoping.commands.validate.live import LiveProbe, table_keys

    declared = {f"{scope.name}.{key}": table_keys(scope.properties(key)) for scope in scopes for key in scope.resources}
    keys = {store: found for store, found in declared.items() if found}

    def of_task(credentials: Any) -> Any:
        return boto3.Session(
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
            region_name=session.region_name,
        )

    probe = LiveProbe(session, of_task, binding, keys)
    found: list[Answer] = []
    for item in scoped:
        found += probe.ask(item, arguments.role_arn or binding.text(item.role.arn), tell)
    return found


def _failed(text: str) -> int:
    print(f"session-scoping: {text}", file=sys.stderr)  # noqa: T201 - a command speaks on stderr
    return FAILED
