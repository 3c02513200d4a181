"""AgentCore Memory by actor, session and namespace: each use, its near misses, and the proof."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import aws_cdk as cdk
import pytest

from session_scoping import InvalidInputError, TenantMemory
from session_scoping.aws.actions import actions_of
from session_scoping.constructs.data.access import MEMORY_ACCESS
from session_scoping.constructs.data.memory import OF_MEMORIES
from session_scoping.verify import Status, verify
from tests.support import stacks
from tests.support.matrix import TAGS
from tests.support.shared import shared
from tests.support.simulator import Policies, ask, request
from tests.support.verify.mutations import Template, edit, session_role, statements, without_guards
from tests.support.world import World
from tests.support.world import without_guards as allows_only

_KEYS = ("actorId", "sessionId", "namespace", "namespacePath")
ACTOR, SESSION, NAMESPACE, PATH = (f"bedrock-agentcore:{key}" for key in _KEYS)
EVENTS = ("CreateEvent", "GetEvent", "ListEvents", "DeleteEvent")
RECORDS = ("ListMemoryRecords", "RetrieveMemoryRecords")
NEVER = (
    *("GetMemoryRecord", "DeleteMemoryRecord", "BatchDeleteMemoryRecords", "BatchCreateMemoryRecords"),
    *("BatchUpdateMemoryRecords", "ListActors", "ListMemoryExtractionJobs", "StartMemoryExtractionJob"),
    *("IngestData", "ListSessions", "DeleteMemory", "UpdateMemory", "GetMemory"),
)


def memory(scope: cdk.Stack, id: str = "Memory") -> Any:
    """Return a Memory."""
    return cdk.aws_bedrockagentcore.Memory(scope, id, memory_name=id.lower())


@cache
def template() -> Template:
    """A session role with one Memory."""
    made: Template = shared("memory", _synthesize)
    return made


def _synthesize() -> Template:
    stack = stacks.stack()
    words = ("write-events", "read-events", "delete-events", "read-records")
    own = TenantMemory(memory(stack), words, session="{task_id}", namespaces=["/users/{user_id}/"])
    stacks.session_role(stack, memories=[own])
    return stacks.template(stack)


Asked = tuple[str, dict[str, str], bool]


def _asked() -> Iterator[Asked]:
    own = {ACTOR: "u1", SESSION: "T1"}
    for action in EVENTS:
        yield action, own, True
        for actor in ("u2", "u10", "u", "U1", "u1/x", "*", ""):
            yield action, {**own, ACTOR: actor}, False
        for session in ("T2", "T10", "T", "t1", ""):
            yield action, {**own, SESSION: session}, False
        yield action, {ACTOR: "u1"}, False
        yield action, {SESSION: "T1"}, False
        yield action, {}, False
    for action in RECORDS:
        for key in (NAMESPACE, PATH):
            for namespace in ("/users/u1/", "/users/u1/facts/"):
                yield action, {key: namespace}, True
            for namespace in ("/", "/users/", "/users/u1", "/users/u10/", "/users/u2/", "users/u1/", "/users/*", ""):
                yield action, {key: namespace}, False
        yield action, {}, False
        yield action, {NAMESPACE: "/users/u1/", PATH: "/users/u2/"}, False
        yield action, {NAMESPACE: "/users/u2/", PATH: "/users/u1/"}, False
        yield action, {ACTOR: "u1", SESSION: "T1"}, False
    for action in NEVER:
        yield action, {**own, NAMESPACE: "/users/u1/"}, False


def _verdicts(role: str, asked: list[Asked], arn: str, variant: str, tags: dict[str, str]) -> list[bool]:
    world = World(template())
    found = world.role(role)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    policies = {
        "deployed": found.policies,
        "allows only": allows_only(found.policies),
        "broad allow": [*found.policies, everything],
    }[variant]
    principal = {f"aws:PrincipalTag/{key}": value for key, value in tags.items()}
    requests = [
        request(f"bedrock-agentcore:{action}", arn, {**principal, **context}, found.session())
        for action, context, _ in asked
    ]
    # Unchecked: the simulator's data has no namespacePath yet.
    return [verdict == "Allowed" for verdict in ask(Policies(policies), requests, checked=False)]


VARIANTS = ("deployed", "allows only", "broad allow")


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_session_reaches_its_own_memory_and_nothing_near(variant: str) -> None:
    """By actor and session, and by namespace up to a slash; nothing that carries no key of whose it is."""
    asked = list(_asked())
    arn = World(template()).arn("Memory", "AWS::BedrockAgentCore::Memory")
    found = _verdicts("SessionRole", asked, arn, variant, dict(TAGS))
    wrong = [one for one, allowed in zip(asked, found, strict=True) if allowed != one[2]]
    assert not wrong


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_other_memory_and_no_session_without_its_tags(variant: str) -> None:
    """A second Memory is closed, and so is the first to a session that lacks a tag or has an empty one."""
    asked = [one for one in _asked() if one[2]]
    arn = World(template()).arn("Memory", "AWS::BedrockAgentCore::Memory")
    assert not any(_verdicts("SessionRole", asked, f"{arn}2", variant, dict(TAGS)))
    lost = [{"task_id": "T1", "repo": "r"}, {"user_id": "", "task_id": "T1", "repo": "r"}]
    for tags in lost:
        assert not any(_verdicts("SessionRole", asked, arn, variant, tags))
    assert not any(_verdicts("Compute", asked, arn, variant, {}))


TAGS_AND_POLICIES = {
    *("ListTagsForResource", "TagResource", "UntagResource"),
    *("DeleteResourcePolicy", "GetResourcePolicy", "PutResourcePolicy"),
}


def test_the_guard_names_every_action_on_memories() -> None:
    """What AWS publishes; tags decide nothing here, and runtimes and gateways have resource policies as well."""
    on_memories = [
        one.name
        for one in actions_of("bedrock-agentcore")
        if any(resource.kind == "bedrock-agentcore:memory" for resource in one.resources)
    ]
    missed = [name for name in on_memories if not any(fnmatchcase(name, pattern) for pattern in OF_MEMORIES)]
    assert {name.partition(":")[2] for name in missed} == TAGS_AND_POLICIES
    assert len(on_memories) > 20


def test_no_word_opens_what_no_key_limits() -> None:
    """The published keys of each action say whose the request is."""
    granted = {action for actions in MEMORY_ACCESS.values() for action in actions}
    assert granted == {f"bedrock-agentcore:{name}" for name in (*EVENTS, *RECORDS, "ListSessions")}


def test_what_is_synthesized_is_proved() -> None:
    """With its guards and without."""
    for one in (template(), without_guards(template())):
        report = verify(one)
        assert report.proved, [(result.rule, result.detail) for result in report.failures()]
        assert "memory-isolation" in {result.rule for result in report.results}


def test_a_role_with_a_memory_alone_is_proved() -> None:
    """Every session of an actor, which is declared."""
    stack = stacks.stack()
    words = ("write-events", "list-sessions")
    stacks.session_role(stack, tables=[], memories=[TenantMemory(memory(stack), words)])
    report = verify(stacks.template(stack))
    assert report.proved, [(result.rule, result.detail) for result in report.failures()]


def _change(key: str, operator: str, value: Any, without: str = "") -> Any:
    def change(changed: Template) -> None:
        for statement in statements(changed, session_role(changed), "Allow"):
            block = statement.get("Condition", {})
            for old in [name for name in block if name != "Null" and key in block[name]]:
                del block[old][key]
                block.setdefault(operator, {})[key] = value
                block["Null"].pop(without, None)

    return change


def _wider(**elements: Any) -> Any:
    def change(changed: Template) -> None:
        for statement in statements(changed, session_role(changed), "Allow"):
            if statement.get("Sid", "").startswith("Memory"):
                statement.update(elements)

    return change


USER = "${aws:PrincipalTag/user_id}"
WEAKER = {
    "any actor that begins alike": _change(ACTOR, "StringLike", f"{USER}*"),
    "an actor where there is one": _change(ACTOR, "StringEqualsIfExists", USER, ACTOR),
    "all actors of none": _change(ACTOR, "ForAllValues:StringEquals", USER, ACTOR),
    "any other actor": _change(ACTOR, "StringNotEquals", USER),
    "everybody's actor and session": lambda changed: [
        _change(key, "StringEquals", "shared")(changed) for key in (ACTOR, SESSION)
    ],
    "the actor of a tag that is shared": _change(ACTOR, "StringEquals", "${aws:PrincipalTag/team, 'all'}"),
    "a namespace without its slash": _change(NAMESPACE, "StringLike", f"/users/{USER}*"),
    "a path without its slash": _change(PATH, "StringLike", f"/users/{USER}*"),
    "a namespace of everybody": _change(NAMESPACE, "StringLike", "/users/*"),
    "a namespace, and whatever path": _change(NAMESPACE, "StringLike", f"/users/{USER}/*", PATH),
    "a path, and whatever namespace": _change(PATH, "StringLike", f"/users/{USER}/*", NAMESPACE),
    "every Memory": _wider(Resource="*"),
    "actions of every kind": _wider(Action="bedrock-agentcore:*"),
    "a record by its id": _wider(Action=["bedrock-agentcore:GetMemoryRecord", "bedrock-agentcore:GetEvent"]),
}


@pytest.mark.parametrize("name", WEAKER)
def test_no_weaker_comparison_is_proved(name: str) -> None:
    """Whoever writes the policy by hand."""
    changed = edit(without_guards(template()), name, WEAKER[name]).template
    assert changed != without_guards(template())
    assert {result.status for result in verify(changed).failures()} & {Status.VIOLATED, Status.UNKNOWN}


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another word": ({"access": "list-actors"}, "unknown access to a tenant Memory"),
    "no tag": ({"access": "read-events", "actor": "shared"}, "names no session tag"),
    "a pattern of actors": ({"access": "read-events", "actor": "{user_id}#*"}, "is a pattern"),
    "tags side by side": ({"access": "read-events", "actor": "{user_id}-{task_id}"}, "ambiguous boundary"),
    "records without a namespace": ({"access": "read-records"}, "has no namespace"),
    "a namespace nobody reads": ({"access": "read-events", "namespaces": ["/u/{user_id}/"]}, "nothing reads them"),
    "no last slash": ({"access": "read-records", "namespaces": ["/u/{user_id}"]}, "begin and end with `/`"),
    "no first slash": ({"access": "read-records", "namespaces": ["u/{user_id}/"]}, "begin and end with `/`"),
    "a wildcard": ({"access": "read-records", "namespaces": ["/u/*/{user_id}/"]}, "wildcard"),
    "other sessions' names": ({"access": "list-sessions", "session": "{task_id}"}, "with a session of its own"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_isolate_is_refused(name: str) -> None:
    """In one line, before anything is synthesized."""
    options, complaint = BAD[name]
    stack = stacks.stack()
    with pytest.raises(InvalidInputError, match=complaint):
        stacks.session_role(stack, memories=[TenantMemory(memory(stack), **options)])


def test_a_memory_is_listed_once() -> None:
    """Two guards would deny each other's words; another thing is no Memory at all."""
    stack = stacks.stack()
    one = memory(stack)
    with pytest.raises(InvalidInputError, match="a Memory is listed twice"):
        stacks.session_role(stack, memories=[TenantMemory(one, "read-events"), TenantMemory(one, "write-events")])
    with pytest.raises(InvalidInputError, match="a Memory is given as something else"):
        TenantMemory("mem-1", "read-events")  # type: ignore[arg-type]
