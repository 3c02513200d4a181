"""The request matrix of the reference stack's tool: who becomes it, under what, and what it reaches."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from session_scoping.constructs.session.guards import CHAINING_ACTIONS
from tests.support.matrix import INVOKE, KEYED, MODELS, TABLES, TAGS, Case
from tests.support.matrix.minting import tagged
from tests.support.world import ACCOUNT, World

TOOL = "AttachmentReaderToolRole"
OTHERS = {"user_id": "u2", "repo": "org/other", "task_id": "T2"}


def becoming_cases(world: World) -> Iterator[Case]:
    """Yield ways of a session to ask for the tool: the right one, and everything nearly right."""
    arn = world.role(TOOL).arn
    for action in ("sts:AssumeRole", "sts:TagSession"):
        for name, context in _asked().items():
            right = name == "its own tags" or (action == "sts:TagSession" and name.startswith("name:"))
            # AWS asks for both actions: a name that AssumeRole refuses need not be refused by TagSession.
            loose = action == "sts:TagSession" and (name.startswith(("name:", "empty:")))
            if not loose:
                yield Case(f"{action} with {name}", "SessionRole", action, arn, right, context, target=TOOL)
        for key in TAGS:
            fewer = {name: value for name, value in TAGS.items() if name != key}
            case = Case(f"{action} by a session without {key}", "SessionRole", action, arn, False, _request(TAGS))
            yield replace(case, tags=fewer, target=TOOL)
        for role in ("EcsTaskRole", "AgentCoreExecutionRole", TOOL):
            yield Case(f"{action} by {role}", role, action, arn, False, _request(TAGS), target=TOOL)
        sibling = f"{arn}2"
        yield Case(f"{action} on a role named alike", "SessionRole", action, sibling, False, _request(TAGS))
    yield from _source_identities(arn)


def _request(tags: dict[str, str], name: str | None = "T1") -> dict[str, Any]:
    context = tagged(tags)
    return {**context, "sts:RoleSessionName": name} if name is not None else context


def _asked() -> dict[str, dict[str, Any]]:
    hidden = _request(TAGS)
    del hidden["aws:TagKeys"]
    found = {
        "its own tags": _request(TAGS),
        "no tags": _request({}),
        "its tag keys hidden": hidden,
        "a further tag": _request({**TAGS, "admin": "yes"}),
        "another task's tags": _request(OTHERS, "T2"),
        "name: another task's": _request(TAGS, "T2"),
        "name: a longer one": _request(TAGS, "T10"),
        "name: none": _request(TAGS, None),
    }
    for key in TAGS:
        found[f"another {key}"] = _request({**TAGS, key: OTHERS[key]})
        found[f"{key} in another case"] = _request({**TAGS, key: TAGS[key].swapcase()})
        found[f"no {key}"] = _request({name: value for name, value in TAGS.items() if name != key})
    return found


def _source_identities(arn: str) -> Iterator[Case]:
    for name, context, allowed in (
        ("its own source identity", {"aws:SourceIdentity": "agent-1", "sts:SourceIdentity": "agent-1"}, True),
        ("another source identity", {"aws:SourceIdentity": "agent-1", "sts:SourceIdentity": "agent-2"}, False),
        ("a source identity of its choice", {"sts:SourceIdentity": "agent-2"}, False),
    ):
        action = "sts:SetSourceIdentity"
        yield Case(f"{action} with {name}", "SessionRole", action, arn, allowed, context, target=TOOL)


def chaining_cases(world: World) -> Iterator[Case]:
    """Yield every other way onward: all denied to the session but on its tool, and to the tool altogether."""
    roles = [world.role(name).arn for name in ("SessionRole", "EcsTaskRole")]
    for role, targets in (("SessionRole", roles), (TOOL, [*roles, world.role(TOOL).arn])):
        for action in set(CHAINING_ACTIONS) - _UNKNOWN_TO_THE_SIMULATOR:
            for target in targets if action in _ON_ROLES else ["*"]:
                yield Case(f"{action} on {target}", role, action, target, False)


_UNKNOWN_TO_THE_SIMULATOR = {"sts:GetScopedCredentials"}
_ON_ROLES = {
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:SetContext",
    "sts:SetSourceIdentity",
    "sts:TagSession",
}


def tool_cases(world: World) -> Iterator[Case]:
    """Yield what the tool reaches, and what it does not although its session does."""
    attachments, traces = (world.arn(name, "AWS::S3::Bucket") for name in ("AttachmentsBucket", "TraceArtifactBucket"))
    here = {"aws:ResourceAccount": ACCOUNT}
    own = f"{attachments}/attachments/u1/T1/a1/file.pdf"
    for action in ("s3:GetObject", "s3:GetObjectVersion"):
        yield Case("own attachment", TOOL, action, own, True, here)
        for key in ("u2/T2/a/f", "u2/T1/a/f", "u1/T2/a/f", "u1/T10/a/f", "u1/T1"):
            yield Case(f"attachment {key}", TOOL, action, f"{attachments}/attachments/{key}", False, here)
        for key in TAGS:
            tags = {name: value for name, value in TAGS.items() if name != key}
            case = Case(f"own attachment without {key}", TOOL, action, own, False, here, tags)
            # No key has the repository in it: the trust policy and a guard demand its tag.
            yield replace(case, guard_only=key == "repo")
    yield Case("changing an attachment", TOOL, "s3:PutObject", own, False, here, guarded=False)
    for key in ("traces/u1/T1.jsonl.gz", "artifacts/T1/result.md"):
        for action in ("s3:PutObject", "s3:GetObject"):
            yield Case(f"{action} of its session's {key}", TOOL, action, f"{traces}/{key}", False, here)
    yield Case("listing attachments", TOOL, "s3:ListBucket", attachments, False, here)
    for table in TABLES:
        arn = world.arn(table, "AWS::DynamoDB::Table")
        for name in (*KEYED, "Scan", "DescribeTable"):
            for row in ("T1", "T2"):
                context = {"dynamodb:LeadingKeys": [row]} if name in KEYED else {}
                yield Case(f"{name} {row} of {table}", TOOL, f"dynamodb:{name}", arn, False, context)
    for action in INVOKE:
        model = f"arn:aws:bedrock:us-east-1:{ACCOUNT}:inference-profile/us.{MODELS[0]}"
        yield Case("a model of its session's", TOOL, action, model, False)


def handing_on_cases(world: World) -> Iterator[Case]:
    """Yield what the session role's trust says about handing tags on."""
    arn = world.role("SessionRole").arn
    for action in ("sts:AssumeRole", "sts:TagSession"):
        for name, handed_on, allowed in (
            ("all tags handed on", list(TAGS), True),
            ("no tag handed on", None, False),
            ("an undeclared tag handed on", [*TAGS, "admin"], False),
        ):
            context = {**tagged(TAGS), **({"sts:TransitiveTagKeys": handed_on} if handed_on else {})}
            yield Case(f"{action}, {name}", "EcsTaskRole", action, arn, allowed, context, {}, target="SessionRole")
