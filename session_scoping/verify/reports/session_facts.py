"""What the sessions of a role are held to, and what they go on to, in words."""

from dataclasses import dataclass

from session_scoping.aws.token_vault import API_KEY, OAUTH2_TOKEN
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.metadata import ATTRIBUTED_TO, BOUND_TO, PINNED_BY, REVOKED, TOKEN_VAULT_USER
from session_scoping.contract.revocations import RevokedSessions, from_text
from session_scoping.verify.patterns.text import Text, plain, show, without_hash
from session_scoping.verify.policies.model import Deployment, Role, Statement
from session_scoping.verify.policies.statement_queries import covers_action, token_minting_mode
from session_scoping.verify.properties.agents.compute_roles import ComputeRoles
from session_scoping.verify.properties.outside.external_trust import door_of
from session_scoping.verify.properties.sessions.derivation import tool_of, tools_of
from session_scoping.verify.reports.report import Labels
from session_scoping.verify.reports.role_story import Fact, Maker, Reach

_ASSUME, _WEB_TOKEN = "sts:AssumeRole", "sts:GetWebIdentityToken"
_SHOWN = 3
"""Values of a revocation that are spelled out; the rest is counted."""


@dataclass(frozen=True)
class _Way:
    """A way of minting: in a line, below who mints, and whether agent code chooses the tags."""

    line: str
    caption: str
    is_open: bool = False


_COMPUTE = _Way("compute roles choose the tags: agent code can mint any task", "agent code may choose any tags", True)
_UNKNOWN = _Way("somebody these templates do not show chooses the tags", "may make any session", is_open=True)
_BROKER = _Way("a broker chooses the tags; agent code cannot mint", "may make any session")
_TOOL = _Way("a session becomes it, under its own tags", "may become it, same tags")
_ATTRIBUTED = _Way("callers name the session in its source identity", "names the session")
_TOKENS = {
    "credential-broker": _Way("a credential broker takes the tags from a signed token", "for a signed task token"),
    "web-identity": _Way("STS takes the tags from a signed token", "makes a session of that task"),
}


def makers_of(role: Role, deployment: Deployment, compute: ComputeRoles, labels: Labels) -> tuple[list[Maker], str]:
    """Return who may make a role's sessions, and how in a line."""
    found: list[Maker] = []
    agents = {one.id for one in compute.roles}
    brokers = {one.id for one in deployment.roles.values() if door_of(one, deployment, ()) is None}
    line = _way(role, None, agents).line
    for kind, text in ((k, t) for s in role.trust if s.allow for k, t in s.principals):
        known = deployment.role_by_arn(text)
        way = _way(role, known, agents)
        if way is _BROKER and (known is None or known.id not in brokers):
            way = _UNKNOWN
        line = way.line if way.is_open else line
        name = labels.short(known.label) if known else _principal(kind, text)
        found.append(Maker(name, way.caption, way.is_open))
    return list(dict.fromkeys(found)), line


def _way(role: Role, maker: Role | None, agents: set[str]) -> _Way:
    if ATTRIBUTED_TO in role.metadata:
        return _ATTRIBUTED
    if tool_of(role) is not None:
        return _TOOL
    if maker is not None and maker.id in agents:
        return _COMPUTE
    return _TOKENS.get(token_minting_mode(role) or "", _BROKER)


def _principal(kind: str, text: Text) -> str:
    name = show(text)
    issuer = name.rpartition("oidc-provider/")[2]
    return f"token of {without_hash(issuer.strip('{}'))}" if kind == "Federated" else name


def facts_of(role: Role, deployment: Deployment, labels: Labels) -> list[Fact]:
    """Return what the role's Metadata says its sessions are held to; `verify` proves each."""
    found: list[Fact] = []
    if identity := role.promise(ATTRIBUTED_TO):
        found.append(Fact("identity", f"source identity {show(identity)}"))
    elif token_minting_mode(role):
        found.append(Fact("identity", "source identity, signed in the token"))
    if owner := tool_of(role):
        known = deployment.role_by_arn(owner)
        found.append(Fact("tool of", labels.short(known.label) if known else show(owner)))
    if vpc := role.promise(BOUND_TO):
        found.append(Fact("bound to", f"VPC {_named(vpc)} and its Region"))
    if pin := role.promise(PINNED_BY):
        found.append(Fact("bound to", f"the address in its tag {show(pin)}"))
    texts = role.metadata.get(REVOKED)
    found += [Fact("revoked", _revoked(text)) for text in (texts if isinstance(texts, list) else [])]
    return found


def _named(text: Text) -> str:
    """Return what a reader calls a resource: the logical id of one in the templates, the end of an ARN's path."""
    whole = show(text)
    if len(text) == 1 and whole.startswith("{"):
        return without_hash(whole.strip("{}").split(".")[1:][0] if "." in whole else whole.strip("{}"))
    return whole.rpartition("/")[2]


def _revoked(text: object) -> str:
    try:
        revoked = from_text(plain(text) or "") if isinstance(text, tuple) else RevokedSessions()
    except InvalidInputError:
        return "what cannot be read"
    parts = [f"{key} = {_some(values)}" for key, values in revoked.tags.items()]
    return " and ".join([*parts, *([f"made before {revoked.before}"] if revoked.before else [])]) or "what is not known"


def _some(values: tuple[str, ...]) -> str:
    more = len(values) - _SHOWN
    return " or ".join([*values[:_SHOWN], *([f"{more} more"] if more > 0 else [])])


def goes_on_to(role: Role, deployment: Deployment, labels: Labels) -> list[Reach]:
    """Return the tools a session may become, and where it takes tokens of other services from."""
    tools = {tool.arn: tool for tool in tools_of(deployment, role)}
    found: list[Reach] = []
    for statement in (s for s in role.identity if s.allow and not s.problem and s.actions and "*" not in s.actions):
        if covers_action(statement, _ASSUME):
            for arn in statement.resources or ():
                place = "tools" if arn in tools else "other roles"
                known = deployment.role_by_arn(arn)
                found.append(Reach(("AssumeRole",), place, labels.short(known.label) if known else show(arn)))
        for action in (OAUTH2_TOKEN, API_KEY):
            if covers_action(statement, action):
                found += [Reach((verb(action),), "token vault", scope) for scope in _providers(statement, role)]
        if covers_action(statement, _WEB_TOKEN):
            found += [Reach((verb(_WEB_TOKEN),), "services outside AWS", one) for one in _audiences(statement)]
    return list(dict.fromkeys(found))


def verb(action: str) -> str:
    """Return an action without its service."""
    return action.partition(":")[2]


def _providers(statement: Statement, role: Role) -> list[str]:
    """Return the providers a statement names: not the vault, identity and directory that each such call needs too."""
    user = role.promise(TOKEN_VAULT_USER)
    whose = f", for user {{{show(user)}}}" if user else ""
    texts = [arn for arn in statement.resources or () if not _is_beside(show(arn))]
    return [f"{_named(arn)}{whose}" for arn in texts]


def _is_beside(arn: str) -> bool:
    return "workload-identity" in arn or "WorkloadIdentityArn" in arn or arn.endswith(":token-vault/default")


def _audiences(statement: Statement) -> list[str]:
    keys = (c for c in statement.conditions if c.key.lower() == "sts:identitytokenaudience")
    return list(dict.fromkeys(show(value) for c in keys if c.operator.lower() != "null" for value in c.values))
