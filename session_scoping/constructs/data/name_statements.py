"""Allows and Denies of tenant secrets and parameters."""

from collections.abc import Sequence

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow, deny, tags_present
from session_scoping.constructs.data.access import LIST_PARAMETERS
from session_scoping.constructs.data.named_data import PARAMETERS, SECRETS, BoundNames, NameKind


def allow_sections(entries: Sequence[BoundNames]) -> list[Section]:
    """Return the Allows: one statement for each entry, and one for its key."""
    sections = []
    for number, entry in enumerate(entries, 1):
        title, tagged = entry.kind.plural.title(), tags_present(entry.tags)
        sections.append(Section.by_resource(allow(f"{title}{number}", entry.actions, entry.arns, tagged)))
        if entry.kms_key_arn:
            reads, writes = (any(_puts(action) is put for action in entry.actions) for put in (False, True))
            reading, writing = entry.kind.key_actions
            actions = dict.fromkeys([*(reading if reads else ()), *(writing if writes else ())])
            conditions: Conditions = {
                "StringEquals": {"kms:ViaService": entry.context.via_service(entry.kind.service, [entry.kms_key_arn])},
                "StringLike": {f"kms:EncryptionContext:{entry.kind.context}": entry.arns, **tagged["StringLike"]},
            }
            sections.append(
                Section.whole(allow(f"{title}{number}Key", sorted(actions), [entry.kms_key_arn], conditions))
            )
    return sections


def _puts(action: str) -> bool:
    return ":Put" in action


def guard_sections(entries: Sequence[BoundNames]) -> list[Section]:
    """
    Return the Denies that hold when somebody later allows `secretsmanager:*` or `ssm:*`.

    Everything in the service is closed but the session's own names, and on these every action that is not granted.

    NOT PROTECTED: a secret that another service reads on the session's behalf, as AgentCore reads those of a
    TokenVaultGrant: an Allow decides over these.
    """
    # Source: IAM guide, reference_policies_condition-keys, aws:ViaAWSService: a forward access session has it.
    by_caller: Conditions = {"BoolIfExists": {"aws:ViaAWSService": "false"}}
    statements: list[Statement] = []
    for kind, group in _by_kind(entries):
        own = [*dict.fromkeys(arn for entry in group for arn in entry.arns)]
        granted = [*dict.fromkeys(action for entry in group for action in entry.actions)]
        closed = {"Action": [f"{kind.service}:*"], "NotResource": own}
        statements += [
            deny(f"Other{kind.plural.title()}", closed, *([by_caller] if kind.by_services else [])),
            deny(f"Other{kind.plural.title()}Actions", {"NotAction": granted, "Resource": own}),
        ]
    return [Section.whole(*statements)] if statements else []


def compute_guard_sections(entries: Sequence[BoundNames]) -> list[Section]:
    """Return the Denies for the compute roles: nothing of any session's."""
    sections = []
    for kind, group in _by_kind(entries):
        arns = [*dict.fromkeys(arn for entry in group for arn in entry.all_arns)]
        scope = {"Action": [f"{kind.service}:*"], "Resource": arns}
        sections.append(Section.by_resource(deny(f"DenyTenant{kind.plural.title()}", scope)))
        if kind is PARAMETERS:
            above = [*dict.fromkeys(arn for entry in group for arn in entry.paths_above)]
            by_path = {"Action": [LIST_PARAMETERS], "Resource": above}
            sections.append(Section.by_resource(deny("DenyPathsAboveTenants", by_path)))
    return sections


def _by_kind(entries: Sequence[BoundNames]) -> list[tuple[NameKind, list[BoundNames]]]:
    kinds = ((kind, [one for one in entries if one.kind is kind]) for kind in (SECRETS, PARAMETERS))
    return [(kind, found) for kind, found in kinds if found]
