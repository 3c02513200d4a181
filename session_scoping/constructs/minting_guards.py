"""What surrounds a token: the Denies on whatever could forge one, and the promises the verifier checks them by."""

from collections.abc import Mapping, Sequence
from typing import Any

from session_scoping import promises
from session_scoping.constructs.documents import Section
from session_scoping.constructs.minting import MINT_ACTIONS, Minting
from session_scoping.constructs.signing_keys import signing_guard
from session_scoping.constructs.statements import allow, deny


def session_guards(minting: Minting) -> list[Section]:
    """Return what is denied to sessions: everything that could make another session's token or spend one."""
    if broker := minting.credential_broker:
        return [*signing_guard([broker.signing_key]), *broker._guarded(may_invoke=False)]
    return list(minting.web_identity.guarded) if minting.web_identity else []


def compute_guards(minting: Minting, session_role_arn: str) -> list[Section]:
    """Return what is denied to compute roles that do not mint: the session role, and whatever could forge a token."""
    if minting.compute_roles_mint:
        return []
    actions = (*MINT_ACTIONS, "sts:SetSourceIdentity") if minting.by_token else MINT_ACTIONS
    denied = [Section.whole(deny("DenyMinting", {"Action": actions, "Resource": [session_role_arn]}))]
    if broker := minting.credential_broker:
        denied += [*signing_guard([broker.signing_key]), *broker._guarded(may_invoke=True)]
    elif identity := minting.web_identity:
        denied += identity.guarded
    return denied


def mint_sections(minting: Minting, session_role_arn: str) -> list[Section]:
    """Return what each minter needs."""
    actions = (*MINT_ACTIONS, "sts:SetSourceIdentity") if minting.by_token else MINT_ACTIONS
    return [Section.whole(allow("MintSessions", actions, [session_role_arn]))]


def invoke_sections(minting: Minting) -> list[Section]:
    """Return what compute roles need to spend a token."""
    if not (broker := minting.credential_broker):
        return []
    return [Section.whole(allow("ExchangeTokens", ["lambda:InvokeFunction"], [broker.function.function_arn]))]


def token_promises(minting: Minting, compute_role_arns: Sequence[str]) -> Mapping[str, Any]:
    """Return the Metadata of a session role that is minted by token."""
    if not minting.by_token:
        return {}
    found: dict[str, Any] = {promises.MINTING: minting.mode, promises.COMPUTE_ROLES: list(compute_role_arns)}
    if broker := minting.credential_broker:
        found |= {
            promises.SIGNING_KEYS: [broker.signing_key.key_arn],
            promises.MINTING_ROLES: [broker.role.role_arn],
            promises.MINTING_TABLES: [broker.revocation_table.table_arn],
        }
    elif identity := minting.web_identity:
        found |= identity.promises
    return found


def promises_beside_the_role(minting: Minting) -> Mapping[str, Any]:
    """
    Return what a policy of the session role says in its place.

    The broker's function names the session role, and what Metadata refers to is deployed first: in the role's own
    Metadata the function would be a circle, which CloudFormation refuses.
    """
    broker = minting.credential_broker
    return {promises.MINTING_FUNCTIONS: [broker.function.function_arn]} if broker else {}
