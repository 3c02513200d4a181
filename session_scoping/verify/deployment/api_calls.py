"""API calls that stand in a text: those that change who may do what, copy data, or give a workload another role."""

import re
from functools import cache

from session_scoping.aws.actions import action, actions_of
from session_scoping.aws.effects import Effect, judgement
from session_scoping.aws.table import tabled_services
from session_scoping.verify.deployment.resource_types import reviewed
from session_scoping.verify.intrinsics.mentions import ANYTHING

CHANGES = frozenset({Effect.GRANT, Effect.TAG, Effect.COPY, Effect.BECOME})
"""What is looked for. What only reads or writes does so with a role whose policies say what it may."""
_RESOURCES = {
    "role": ("iam:role", "iam:policy", "iam:user", "iam:group"),
    "table": ("dynamodb:table", "dynamodb:stream"),
    "bucket": ("s3:bucket", "s3:object"),
    "key": ("kms:key",),
    "memory": ("bedrock-agentcore:memory",),
}
# As SDKs spell them, without what is no letter or digit.
_SPELLINGS = {
    "s3": ("s3", "s3control"),
    "dms": ("dms", "databasemigration", "databasemigrationservice"),
    "sso": ("sso", "ssoadmin"),
    "states": ("states", "sfn", "stepfunctions"),
    "bedrock": ("bedrock", "bedrockagent"),
    "bedrock-agentcore": ("bedrockagentcore", "bedrockagentcorecontrol"),
}
_VALUE = rf"\{{[^\"{{}}]*\}}{ANYTHING}"
_OPEN_CALL = re.compile(
    rf'sdk:[^"{{}}]*{_VALUE}|"(?:service|action|api)\\*"\s*:\s*\\*"[^"\\{{}}]*{_VALUE}|"arn"\s*:\s*"{_VALUE}',
    re.IGNORECASE,
)
_SPELLED_OUT = re.compile(
    r"sdk:(iam|kms):(\w+)|service\W+(?:\S*client-)?(iam|kms)\W+(?:action|api)\W+(\w+)", re.IGNORECASE
)
# A role or an instance profile among the parameters of a call, or parameters that are only known when it is made.
_ROLE_GIVEN = re.compile(
    r'(?:role|profile)\w*(?:\.\$)?\\*"\s*:|"(?:parameters|arguments|input|overrides)(?:\.\$\\*"|\\*"\s*:\s*\\*"\{%)',
    re.IGNORECASE,
)
_NEITHER = ("create", "get", "list", "describe", "batchget", "delete")
"""How calls begin that change nothing which is there already."""


def changing_calls(text: str) -> dict[str, frozenset[str]]:
    """Return kinds of resources (`role`, `table`, `bucket`, `key`) with the services by which a text changes them."""
    words = words_of(text)
    found = {kind: set[str]() for kind in _RESOURCES}
    for prefix in _spoken_of(words):
        heard = {_short(word, prefix) for word in words}
        for name, kinds in _changing(prefix).items():
            for kind in kinds if name in heard else ():
                found[kind].add(prefix)
    for match in _SPELLED_OUT.finditer(text):
        prefix, name = (match[1] or match[3]).lower(), (match[2] or match[4]).removesuffix("Command")
        if action(f"{prefix}:{name}") is None:
            # A call that AWS had not when the table was made may do anything its service can.
            found["role" if prefix == "iam" else "key"].add(prefix)
    if _OPEN_CALL.search(text):
        found = {kind: {*services, ""} for kind, services in found.items()}
    return {kind: frozenset(services) for kind, services in found.items() if services}


def role_giving_calls(text: str) -> frozenset[str]:
    """Return the services, as types spell them, that a text calls to run something with a role it names."""
    words = words_of(text)
    found = [one for one in _spoken_of(words) if words & _becoming(one)] if _ROLE_GIVEN.search(text) else []
    return frozenset(one.replace("-", "") for one in found)


def words_of(text: str) -> set[str]:
    """Return the words of a text, and names of operations as SDKs spell them, in lower case."""
    words = set(re.findall("[a-z0-9]+", re.sub("[-_]", "", re.sub(r"\{[^{}\"]*\}", " ", text)).lower()))
    return words | {word.removesuffix("command") for word in words} | {word.removeprefix("client") for word in words}


def _spoken_of(words: set[str]) -> list[str]:
    prefixes = (*tabled_services(), "rds")
    return [one for one in prefixes if words & set(_SPELLINGS.get(one, (one.replace("-", ""),)))]


def _short(name: str, prefix: str) -> str:
    """Return a name without what S3 has in some of its operations' names and not in its actions', or the reverse."""
    return name.replace("bucket", "").replace("configuration", "") if prefix == "s3" else name


@cache
def _changing(prefix: str) -> dict[str, tuple[str, ...]]:
    """Return the operations of a service that change something, in lower case, with the kinds they change."""
    found: dict[str, tuple[str, ...]] = {}
    for one in actions_of(prefix) if prefix in tabled_services() else ():
        judged = judgement(one.name)
        kinds = tuple(kind for kind, names in _RESOURCES.items() if any(judged.on(name) & CHANGES for name in names))
        if kinds:
            found[_short(one.name.partition(":")[2].lower(), prefix)] = kinds
    for call, kind in reviewed()["api"].items():
        service, _, name = call.partition(" ")
        if service == prefix:
            found[_short(name, prefix)] = (kind,) if kind else ()
    return found


@cache
def _becoming(prefix: str) -> frozenset[str]:
    """Return the operations of a service, in lower case, that run or change a workload of somebody's."""
    known = actions_of(prefix) if prefix in tabled_services() else ()
    names = (one.name for one in known if Effect.BECOME in judgement(one.name).effects)
    return frozenset(name for name in (one.partition(":")[2].lower() for one in names) if not name.startswith(_NEITHER))
