"""The statements about tenant tables: a session's own rows, and the Denies around them."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar, cast

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext, is_token
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow, alnum, deny, tags_present
from session_scoping.constructs.data.tables import BoundTable
from session_scoping.contract.arns import field_of

_Key = TypeVar("_Key")

FOREIGN_ROWS, NO_ROWS, INDEXES, OTHER_TABLES = "ForeignRows", "NoRows", "Indexes", "OtherTables"

_EVERY = {"Action": ["dynamodb:*"], "Resource": ["*"]}
_NO_KEY: Conditions = {"Null": {"dynamodb:LeadingKeys": "true"}}


def untagged_sections(tables: Sequence[BoundTable]) -> list[Section]:
    """
    Deny the tables to a session that lacks a tag of their keys.

    The other guards compare with that tag, and a comparison with a missing variable does not fire.
    """
    used = dict.fromkeys(tag for table in tables for tag in table.key_format.tags)
    sections = []
    for tag in used:
        keyed = _whole(table for table in tables if tag in table.key_format.tags)
        untagged: Conditions = {"StringNotLike": {f"aws:PrincipalTag/{tag}": "?*"}}
        sections.append(Section.by_resource(deny(f"NoRowsWithout{alnum(tag.title())}", keyed, untagged)))
    return sections


def allow_sections(tables: Sequence[BoundTable]) -> list[Section]:
    """Return the Allows: one statement for all tables with the same access and leading key."""
    sections = []
    for number, ((actions, key_format), group) in enumerate(
        _grouped(tables, lambda table: (table.actions, table.key_format)), 1
    ):
        own: Conditions = {
            # ForAllValues is true where the key is absent, hence the Null.
            # Source: IAM guide, reference_policies_condition-single-vs-multi-valued-context-keys.
            f"ForAllValues:String{key_format.operator}": {"dynamodb:LeadingKeys": [key_format.policy_variables()]},
            "Null": {"dynamodb:LeadingKeys": "false"},
        }
        arns = [table.arn for table in group]
        sections.append(Section.by_resource(allow(f"Rows{number}", actions, arns, own, tags_present(key_format.tags))))
    return sections


def closed_sections(tables: Sequence[BoundTable], context: StackContext) -> list[Section]:
    """
    Return the Denies of a role that reaches no table but these, under a later `dynamodb:*` too.

    A foreign leading key and none at all (Scan, every table operation) are denied on everything, because a condition
    decides and no other table is meant. What is left is an own leading key: on these tables by an action that is not
    in the table's own list, and on everything else, be it a table, an index, a stream or a backup.
    """
    if not tables:
        return []
    return [
        *_foreign_rows(tables, everywhere=True),
        Section.whole(deny(NO_ROWS, _EVERY, _NO_KEY)),
        *_other_actions(tables),
        # A NotResource cannot be cut in two: each half would deny what the other one names.
        Section.whole(
            other_tables(tables),
            otherwise=[deny(INDEXES, {"Action": ["dynamodb:*"], "Resource": [_any_index(context)]})],
        ),
    ]


def listed_sections(tables: Sequence[BoundTable], others: Sequence[str] = ()) -> list[Section]:
    """
    Return the Denies that name their tables, for a role that may reach other tables as well.

    A foreign leading key, no leading key at all (Scan, every table operation), every action that is not in the
    table's own list, and all that hangs below a table: indexes, streams, backups, exports.

    Args:
        tables: The tables.
        others: ARN patterns of what else the role may reach; everything beyond is denied. Default: nothing is said
            of other tables.
    """
    if not tables:
        return []
    beyond = [Section.whole(other_tables(tables, others), otherwise=[])] if others else []
    return [*row_sections(tables), *_other_actions(tables), *beyond]


def row_sections(tables: Sequence[BoundTable]) -> list[Section]:
    """Return the Denies of other rows in these tables, and of what hangs below them."""
    return [
        *_foreign_rows(tables, everywhere=False),
        Section.by_resource(deny(NO_ROWS, _whole(tables), _NO_KEY)),
        Section.by_resource(deny(INDEXES, _below(tables))),
    ]


def other_tables(tables: Sequence[BoundTable], others: Sequence[str] = ()) -> Statement:
    """Return the Deny of everything in DynamoDB but these tables."""
    named = [*(table.every_region_arn for table in tables), *others]
    return deny(OTHER_TABLES, {"Action": ["dynamodb:*"], "NotResource": named})


def _foreign_rows(tables: Sequence[BoundTable], *, everywhere: bool) -> Iterable[Section]:
    groups = _grouped(tables, lambda table: table.key_format)
    for number, (key_format, group) in enumerate(groups, 1):
        own = {"dynamodb:LeadingKeys": [key_format.policy_variables()]}
        foreign: Conditions = {f"ForAnyValue:StringNot{key_format.operator}": own}
        # Where leading keys differ, one table's own row is the other's foreign one.
        scope = _EVERY if everywhere and len(groups) == 1 else _whole(group)
        sid = f"{FOREIGN_ROWS}{number}" if len(groups) > 1 else FOREIGN_ROWS
        yield Section.by_resource(deny(sid, scope, foreign))


def _other_actions(tables: Sequence[BoundTable]) -> Iterable[Section]:
    for number, (actions, group) in enumerate(_grouped(tables, lambda table: table.actions), 1):
        others = {"NotAction": actions, "Resource": [table.every_region_arn for table in group]}
        yield Section.by_resource(deny(f"Actions{number}", others))


def compute_guard_sections(tables: Sequence[BoundTable]) -> list[Section]:
    """Return the Denies for the compute roles: nothing on a tenant table, nor below it."""
    return [
        Section.by_resource(deny("DenyTenantTables", _whole(tables))),
        Section.by_resource(deny("DenyTenantTablesBelow", _below(tables))),
    ]


def key_sections(tables: Sequence[BoundTable], context: StackContext) -> list[Section]:
    """
    Return the Allow on the tables' customer-managed keys.

    Decrypt alone, only as DynamoDB asks for it and only for these tables.
    Source: KMS guide, services-dynamodb (encryption context).
    """
    encrypted = [table for table in tables if table.kms_key_arn]
    if not encrypted:
        return []

    def render(part: Sequence[BoundTable]) -> list[Statement]:
        keys = list(dict.fromkeys(cast(str, table.kms_key_arn) for table in part))
        accounts = list(dict.fromkeys(_account(table, context) for table in part))
        conditions: Conditions = {
            "StringEquals": {
                "kms:ViaService": context.via_service("dynamodb", keys),
                "kms:EncryptionContext:aws:dynamodb:tableName": [table.name for table in part],
                "kms:EncryptionContext:aws:dynamodb:subscriberId": accounts if len(accounts) > 1 else accounts[0],
            }
        }
        used = dict.fromkeys(tag for table in part for tag in table.key_format.tags)
        return [allow("DecryptTables", ["kms:Decrypt"], keys, conditions, tags_present(used))]

    return [Section(encrypted, render)]


def _account(table: BoundTable, context: StackContext) -> str:
    account = field_of(table.every_region_arn, "account")
    return context.account if is_token(account) else account


def _whole(tables: Iterable[BoundTable]) -> dict[str, list[str]]:
    return {"Action": ["dynamodb:*"], "Resource": [table.every_region_arn for table in tables]}


def _below(tables: Iterable[BoundTable]) -> dict[str, list[str]]:
    return {"Action": ["dynamodb:*"], "Resource": [f"{table.every_region_arn}/*" for table in tables]}


def _any_index(context: StackContext) -> str:
    """Return what hangs below any table of any account: a table's name holds no `/`."""
    return context.arn("dynamodb", "table/*/*", region="*", account="*")


def _grouped(tables: Iterable[BoundTable], by: Callable[[BoundTable], _Key]) -> list[tuple[_Key, list[BoundTable]]]:
    """Group the tables, in order of first appearance."""
    groups: dict[_Key, list[BoundTable]] = {}
    for table in tables:
        groups.setdefault(by(table), []).append(table)
    return [*groups.items()]
