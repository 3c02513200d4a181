"""`session-scoping revoke ROLE`: prints the Deny that ends sessions, or puts it."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from session_scoping.contract.errors import InvalidInputError, MissingExtraError, QuotaExceededError
from session_scoping.contract.revocations import (
    POLICY_NAME,
    RevokedSessions,
    document_of,
    from_statement,
    is_ahead,
    revoked_sessions,
)

if TYPE_CHECKING:
    from session_scoping.commands.revoke.role_policy import RolePolicy

DONE, FAILED = 0, 1
"""Exit codes: 0 when it is printed, put or already there; 1 when AWS refuses. 2 is for a wrong command line."""

_EPILOG = """\
exit codes:
  0  the document is printed, put or already there
  1  AWS refused, was not reached or gave an answer that cannot be read
  2  the command line is wrong, or boto3 is missing

example:
  session-scoping revoke AgentSession --tag task_id=01J9ZC4QK6 --apply --profile operator
"""

# Source: IAM API_PutRolePolicy, RoleName; and the ARN of a role with its path.
_ROLE = re.compile(r"(?:arn:[\w-]+:iam::\d{12}:role/(?:[\x21-\x7e]+/)?)?[\w+=,.@-]{1,64}", re.ASCII)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `revoke`."""
    parser.epilog = _EPILOG
    parser.add_argument("role", metavar="ROLE", help="name or ARN of the deployed session role")
    parser.add_argument("--before", metavar="TIME", help="end sessions issued before `now`, or 2026-11-21T10:00:00Z")
    parser.add_argument(
        "--tag", action="append", default=[], metavar="KEY=VALUE", help="end sessions with this tag; again: with both"
    )
    parser.add_argument("--list", action="store_true", help="show the revocations in force on the role")
    parser.add_argument("--lift", action="append", default=[], metavar="SID", help="take one away, or `all`")
    parser.add_argument("--apply", action="store_true", help="really put it, or take it away; without: print only")
    parser.add_argument("--anyway", action="store_true", help="by time, although the role's sessions narrow themselves")
    parser.add_argument("--profile", metavar="NAME", help="AWS profile to use")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(arguments: argparse.Namespace) -> int:
    """Print or put a revocation, return the exit code."""
    _check(arguments)
    if not (arguments.list or arguments.lift or arguments.apply):
        return _print_only(arguments)
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        raise MissingExtraError(
            "reading and changing a role needs boto3: got an installation without it, expected the extra `agent`; "
            "without --apply the document is printed all the same; fix: pip install 'session-scoping[agent]'"
        ) from error
    from session_scoping.commands.revoke.role_policy import NotAppliedError
    from session_scoping.commands.unreadable import UnreadableAnswerError

    try:
        return _with_aws(arguments)
    except (NotAppliedError, QuotaExceededError, UnreadableAnswerError) as error:
        return _failed(str(error))
    except ClientError as error:
        # The code only: a message of AWS may quote the document.
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        return _failed(f"AWS refused {error.operation_name}: got {code}; {_ADVICE.get(code, _OTHER)}")
    except BotoCoreError as error:
        return _failed(f"AWS was not reached: got {type(error).__name__}; nothing is known to have changed; {_REACH}")


_OTHER = "nothing is known to have changed; fix: look with --list, then run the command again"
_REACH = "fix: check --profile, its credentials and the network"
_DENIED = (
    "fix: use a --profile that may do iam:GetRole, iam:GetRolePolicy, iam:PutRolePolicy and iam:DeleteRolePolicy on "
    "the role; it must not be a session of the role itself"
)
_ADVICE = {
    "AccessDenied": _DENIED,
    "AccessDeniedException": _DENIED,
    "NoSuchEntity": "there is no such role in this account; fix: check its name and the --profile",
    "LimitExceeded": "the role's inline policies are full; fix: --lift old revocations, or revoke --before now alone",
    "UnmodifiableEntity": "the role is AWS's own (service-linked) and cannot be revoked",
    "Throttling": "fix: run the command again",
    "ExpiredToken": "fix: sign in again",
    "InvalidClientTokenId": _REACH,
}


def _check(arguments: argparse.Namespace) -> None:
    if not _ROLE.fullmatch(arguments.role):
        raise InvalidInputError(
            "ROLE is no role",
            got="other text",
            expected="the name or the ARN of an IAM role",
            why="nothing would be revoked",
            fix="take it from the stack's output",
        )
    asked = sum((bool(arguments.before or arguments.tag), arguments.list, bool(arguments.lift)))
    if asked != 1:
        raise InvalidInputError(
            "the command line asks for nothing, or for two things",
            got=f"{asked} of them",
            expected="--before and/or --tag, or --list, or --lift",
            why="at three in the morning nobody should have to guess",
            fix="give one of them",
        )


def tags_from(pairs: Sequence[str]) -> dict[str, str]:
    """
    Return the tags of the command line.

    Raises:
        InvalidInputError: One is not KEY=VALUE, or a key is given twice.
    """
    tags: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key or key in tags:
            raise InvalidInputError(
                "a --tag cannot be read" if key not in tags else f"--tag `{key}` is given twice",
                got="text without `=`" if key not in tags else "two values",
                expected="KEY=VALUE, each key once; two keys mean sessions that carry both",
                why="it would be unclear whose sessions end",
                fix="run the command once for each value",
            )
        tags[key] = value
    return tags


def _asked(arguments: argparse.Namespace, now: Callable[[], datetime]) -> RevokedSessions:
    before = now() if arguments.before == "now" else arguments.before
    return revoked_sessions(before, tags_from(arguments.tag))


def _print_only(arguments: argparse.Namespace) -> int:
    revoked = _asked(arguments, lambda: datetime.now(UTC))
    document = document_of([revoked.statement()])
    put = (
        f"aws iam put-role-policy --role-name {arguments.role.rpartition('/')[2]} --policy-name {POLICY_NAME} "
        "--policy-document file://revocation.json"
    )
    _warn_ahead(revoked, datetime.now(UTC))
    if revoked.before:
        _say("A role made with narrowing=True may have sessions that the time does not reach: use --tag there.")
    if arguments.json:
        _out({"role": arguments.role, "policyName": POLICY_NAME, "policy": document, "applied": False, "run": put})
        return DONE
    _out(document)
    _say("nothing is changed yet. Run the same command with --apply: it keeps the revocations already there.")
    _say(f"By hand, which replaces them: save the document as revocation.json and run\n  {put}")
    return DONE


def _with_aws(arguments: argparse.Namespace) -> int:
    import boto3

    from session_scoping.commands.revoke.role_policy import RolePolicy, document_text, lifted, merged
    from session_scoping.commands.unreadable import reading

    # Before any call, so that a wrong command line is never half done.
    _asked(arguments, lambda: datetime.now(UTC)) if arguments.before or arguments.tag else None
    with reading("GetRole"):  # an endpoint that is no address is a plain ValueError of botocore's
        iam = boto3.Session(profile_name=arguments.profile).client("iam")
    policy = RolePolicy(iam, arguments.role)
    before = policy.read()
    if arguments.list:
        return _list(arguments, policy, before)
    if arguments.lift:
        after = lifted(before, arguments.lift)
    else:
        revoked = _asked(arguments, lambda: policy.seen_at)
        policy.require_declared(revoked.tags)
        if not arguments.anyway:
            policy.require_reached(revoked)
        _warn_ahead(revoked, policy.seen_at)
        after = merged(before, revoked)
    changes = after != before
    document_text(after)
    if changes and arguments.apply:
        _say("putting the policy and waiting until IAM shows it (seconds, at most half a minute)")
        policy.write(after)
    return _report(arguments, policy, after, changed=changes)


def _report(
    arguments: argparse.Namespace, policy: "RolePolicy", statements: list[dict[str, Any]], *, changed: bool
) -> int:
    document = document_of(statements)
    applied = arguments.apply or not changed
    if arguments.json:
        found = {"role": policy.arn, "policyName": POLICY_NAME, "policy": document}
        _out({**found, "applied": applied, "changed": changed and arguments.apply})
    else:
        _out(document)
    if not changed:
        _say(f"{policy.arn} has this already: nothing to do")
    elif not applied:
        _say("nothing is changed yet: run the same command with --apply")
    else:
        _say(
            f"{policy.arn} has it. It takes effect within seconds as a rule; AWS says it may take a few minutes. "
            "Sessions minted until then live on where the time decides: run it again once the minter is cut off."
        )
    return DONE


def _list(arguments: argparse.Namespace, policy: "RolePolicy", statements: list[dict[str, Any]]) -> int:
    known = [(statement, from_statement(statement)) for statement in statements]
    rows = [
        {"sid": statement["Sid"], "before": revoked.before, "tags": {k: list(v) for k, v in revoked.tags.items()}}
        for statement, revoked in known
        if revoked
    ]
    others = sum(1 for _, revoked in known if not revoked)
    if arguments.json:
        _out({"role": policy.arn, "policyName": POLICY_NAME, "revocations": rows, "otherStatements": others})
        return DONE
    for row in rows:
        tags = " and ".join(f"{key} in {', '.join(values)}" for key, values in row["tags"].items())
        when = f"issued before {row['before']}" if row["before"] else ""
        print(f"{row['sid']}  {' and '.join(filter(None, [tags, when]))}")  # noqa: T201
    if not rows:
        _say(f"{policy.arn} has no revocation put by this command (one made at synth stands in its Guards policy)")
    if others:
        _say(f"{others} further statement(s) in {POLICY_NAME} are not this command's and stay as they are")
    return DONE


def _warn_ahead(revoked: RevokedSessions, now: datetime) -> None:
    if is_ahead(revoked, now):
        _say(f"WARNING: {revoked.before} lies ahead: until then new sessions are denied as well")


def _out(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))  # noqa: T201 - the output of the command


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - not on stdout, so that this stays JSON


def _failed(text: str) -> int:
    _say(f"session-scoping: {text}")
    return FAILED
