"""What statements name: actions, tags, roles. Everything here works without z3."""

from collections.abc import Iterable, Iterator

from session_scoping.contract.metadata import ATTRIBUTED_TO, MINTING
from session_scoping.verify.patterns.matching import action_matches, readable, split_fields
from session_scoping.verify.patterns.naming import may_be_named, role_name_in
from session_scoping.verify.patterns.text import OPEN, Pattern, Text, Token, Variable, plain
from session_scoping.verify.policies.model import Role, Statement

PRINCIPAL_TAG = "aws:principaltag/"
REQUEST_TAG = "aws:requesttag/"
OTHER_TAG = "zz-another-tag"
"""Stands for every tag key no policy names; a key that is named behaves the same or is listed."""
TAG_LISTS = {"aws:tagkeys", "sts:transitivetagkeys"}
"""Condition keys whose values are tag keys, in lower case."""
MINTING_ENTRY = {"credential-broker": "sts:AssumeRole", "web-identity": "sts:AssumeRoleWithWebIdentity"}
"""How a session role says that tokens decide -> the one way its trust policy may let a session in."""
AGENT_RUNTIMES = ("bedrock-agentcore.", "ecs-tasks.", "pods.eks.")
"""How the service principals begin whose roles are taken for an agent's. Functions and machines do much besides."""


def is_session_tag(part: object) -> bool:
    """Whether a part of a pattern is the value of a session tag, which no default takes the place of."""
    return isinstance(part, Variable) and part.key.startswith(PRINCIPAL_TAG) and part.default is None


def covers_action(statement: Statement, action: str) -> bool:
    """Whether a statement's Action or NotAction covers an action."""
    if statement.actions is not None:
        return any(action_matches(pattern, action) for pattern in statement.actions)
    return not any(action_matches(pattern, action) for pattern in statement.not_actions)


def may_be_role(text: Text, role: Role) -> bool:
    """
    Whether a principal that is spelled differently may still be the role or one of its sessions.

    An account or its root delegates to the account's identity policies, which are looked at anyway.
    A generated role name holds the role's logical id, so a literal without it is another role.
    """
    literal = "".join(part for part in text if isinstance(part, str))
    tokens = [part for part in text if isinstance(part, Token)]
    if literal.endswith(":root") or (plain(text) or "").isdigit():
        return False
    if len(tokens) == 1 and not literal and tokens[0].kind == "account":
        return False
    name = role_name_in(text)
    if name is not None:
        account = "".join(part for part in split_fields(text)[4] if isinstance(part, str))
        elsewhere = account.isdigit() and role.account not in {"", account}
        return not elsewhere and may_be_named(name, role.name, role.id)
    return any(token.kind in OPEN for token in tokens) or role.name[0] in tokens


def grants_directly(statement: Statement, role: Role) -> bool:
    """Whether a statement of a resource policy may let a role in by name, or everybody."""
    if not statement.allow or statement.problem:
        return bool(statement.problem)
    return any(
        kind == "*" or (kind == "AWS" and (text == role.arn or may_be_role(text, role)))
        for kind, text in statement.principals
    )


def token_minting_mode(role: Role) -> str | None:
    """Return how a session role is minted by token; None when it is not."""
    mode = "".join(part for part in role.metadata.get(MINTING) or () if isinstance(part, str))
    return mode if mode in MINTING_ENTRY else None


def uses_tags(role: Role) -> bool:
    """
    Whether a role's sessions are told apart by tags: its policies speak of them, or its trust asks for them.

    Where nobody may pass tags, what its policies compare is the role's own tags.
    """
    taggable = any(s.problem or covers_action(s, "sts:TagSession") for s in role.trust if s.allow)
    if taggable and any(key.startswith(PRINCIPAL_TAG) for key in keys_used(role.identity)):
        return True
    if ATTRIBUTED_TO in role.metadata:
        return False  # its sessions are told apart by source identity; a pod's tags may come along and open nothing
    return any(
        key.startswith(REQUEST_TAG) or key in TAG_LISTS
        for statement in role.trust
        if any(kind != "Service" for kind, _ in statement.principals)  # a service passes tags of its own
        for key in (condition.key.lower() for condition in statement.conditions)
    )


def keys_used(statements: Iterable[Statement]) -> Iterator[str]:
    """Yield the condition keys statements test or fill in, in lower case."""
    for statement in statements:
        yield from (condition.key.lower() for condition in statement.conditions)
        for pattern in patterns_of(statement):
            yield from (part.key for part in pattern if isinstance(part, Variable))


def patterns_of(statement: Statement) -> list[Pattern]:
    """Return every string of a statement that can hold a policy variable."""
    texts: list[Text] = [*(statement.resources or ()), *statement.not_resources]
    texts += [value for condition in statement.conditions for value in condition.values]
    # Read as if variables were on: a policy that lost its Version still shows what it was meant to say.
    return readable(texts)
