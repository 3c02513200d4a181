"""Finds the KMS keys that open tenant data."""

from collections.abc import Sequence

from session_scoping.verify.patterns.matching import parsed, split_fields
from session_scoping.verify.patterns.naming import fields_may_agree
from session_scoping.verify.patterns.text import Pattern, Text, Token, Unmodelled, lit, plain
from session_scoping.verify.policies.actions import KEY_USE
from session_scoping.verify.policies.model import Deployment, Statement, Store
from session_scoping.verify.policies.statement_queries import covers_action, grants_directly
from session_scoping.verify.scoping.infer import SessionScope, stores_of

_ALL = lit("*")


def keys_in_use(deployment: Deployment, scoped: Sequence[SessionScope]) -> list[Store]:
    """
    Return the keys that may open tenant data.

    Those sessions are granted by their own policies or the key's, those their tables and buckets name, and the other
    replicas of all these. Of a replica whose primary is not in the templates, nothing tells that it is none of them.
    """
    keys = deployment.of_kind("key")
    roles = [item.role for item in scoped]
    granted = [text for role in roles for s in role.identity if _uses_keys(s) for text in s.resources or (_ALL,)]
    named = [text for store in stores_of(scoped) for text in store.encrypted_with]
    found = [
        key
        for key in keys
        if any(_may_be_granted(text, key) for text in granted)
        or any(_may_be_named(text, key) for text in named)
        or any(_uses_keys(s) and grants_directly(s, role) for s in key.policy for role in roles)
    ]
    materials = {_material(key) for key in found}
    elsewhere = {_material(key) for key in keys if roles} - {(key.arn,) for key in keys}
    return [key for key in keys if _material(key) in materials | elsewhere]


def _material(key: Store) -> tuple[Text, ...]:
    """Return what a key and its replicas have in common: each opens what the others close."""
    return key.encrypted_with or (key.arn,)


def _uses_keys(statement: Statement) -> bool:
    return statement.allow and any(covers_action(statement, action) for action in KEY_USE)


def _may_be_granted(text: Text, key: Store) -> bool:
    """Whether a resource pattern may cover a key, however partition, Region and account are spelled."""
    pattern = parsed(text, True, True)
    if isinstance(pattern, Unmodelled):
        return True
    ours, theirs = split_fields(pattern), split_fields(key.arn)
    if len(ours) != 6 or len(theirs) != 6:
        return _path_may_agree(pattern, key)
    places = ((1, theirs[1]), (2, lit("kms")), (3, theirs[3]), (4, theirs[4]))
    return all(fields_may_agree(ours[at], field) for at, field in places) and _path_may_agree(ours[5], key)


def _path_may_agree(path: Pattern, key: Store) -> bool:
    """Whether the end of a pattern may be a key's: it is no alias, and no other key of the templates."""
    first = path[0] if path else ""
    if isinstance(first, str) and not "key/".startswith(first[:4]):
        return False
    tokens = [part for part in path if isinstance(part, Token) and part.kind == "key"]
    return not tokens or key.name[0] in tokens


def _may_be_named(text: Text, key: Store) -> bool:
    """Whether what a store is encrypted with may be a key: its id or ARN, or an alias, of which nothing is known."""
    if (plain(text) or "").startswith("alias/"):
        return not (plain(text) or "").startswith("alias/aws/")
    tokens = [part for part in text if isinstance(part, Token) and part.kind == "key"]
    return not tokens or key.name[0] in tokens
