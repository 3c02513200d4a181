"""What surrounds a token: the Denies on whatever could forge one, and the Metadata the verifier checks them by."""

from collections.abc import Mapping, Sequence
from typing import Any

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.statements import allow, deny
from session_scoping.constructs.minting.broker_tie import BrokerTie
from session_scoping.constructs.minting.minting import MINT_ACTIONS, Minting
from session_scoping.constructs.minting.signing_keys import signing_guard
from session_scoping.contract import metadata as metadata_keys


def session_guards(minting: Minting) -> list[Section]:
    """Return what is denied to sessions and tools: everything that could make another session's token or spend one."""
    if broker := minting.credential_broker:
        return [*signing_guard([broker.signing_key]), *BrokerTie.of(broker).guarded(may_invoke=False), _iam_guard()]
    return [*minting.web_identity.guarded, _iam_guard()] if minting.web_identity else []


def _iam_guard() -> Section:
    """
    Deny all of IAM: who may change a trust policy, detach a guard or pass the orchestrator's role needs no token.

    Everywhere, because a new identity, or another role's policy, would do as well as this one.

    NOT PROTECTED: the code of the signer, and whatever deploys (`cloudformation:*`, the CDK's bucket).
    """
    return Section.whole(deny("DenyIam", {"Action": ["iam:*"], "Resource": ["*"]}))


def compute_guards(minting: Minting, session_role_arn: str) -> list[Section]:
    """Return what is denied to compute roles that do not mint: the session role, and whatever could forge a token."""
    if minting.compute_roles_mint:
        return []
    actions = (*MINT_ACTIONS, "sts:SetSourceIdentity") if minting.by_token else MINT_ACTIONS
    denied = [Section.whole(deny("DenyMinting", {"Action": actions, "Resource": [session_role_arn]}))]
    if broker := minting.credential_broker:
        denied += [*signing_guard([broker.signing_key]), *BrokerTie.of(broker).guarded(may_invoke=True), _iam_guard()]
    elif identity := minting.web_identity:
        denied += [*identity.guarded, _iam_guard()]
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


def token_metadata(minting: Minting, compute_role_arns: Sequence[str]) -> Mapping[str, Any]:
    """Return the Metadata of a session role that is minted by token."""
    if not minting.by_token:
        return {}
    found: dict[str, Any] = {metadata_keys.MINTING: minting.mode, metadata_keys.COMPUTE_ROLES: list(compute_role_arns)}
    if broker := minting.credential_broker:
        found |= {
            metadata_keys.SIGNING_KEYS: [broker.signing_key.key_arn],
            metadata_keys.MINTING_FUNCTIONS: [BrokerTie.of(broker).function_metadata()],
            metadata_keys.MINTING_ROLES: [broker.role.role_arn],
            metadata_keys.MINTING_TABLES: [broker.revocation_table.table_arn],
        }
    elif identity := minting.web_identity:
        found |= identity.metadata
    return found
