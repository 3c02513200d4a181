"""Tenant tables: which rows of which table a session reaches, and the guards around them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import aws_cdk as cdk
from constructs import IConstruct

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext, asked_once, has_wildcard, is_token, properties_of
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow, alnum, deny
from session_scoping.constructs.data.access import TABLE_ACCESS, actions_for, as_words, require_attribute
from session_scoping.contract.arns import Arn, field_of
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.key_formats import TASK_LEADING_KEY, KeyFormat

_Key = TypeVar("_Key")


@dataclass(frozen=True)
class TenantTable:
    """
    One table whose rows belong to tenants, and what a session may do with its own rows.

    Args:
        table: The table, created here or imported.
        access: Access words, see `access.TABLE_ACCESS`. Default: `read-only`.
        leading_key: What the partition key of the session's own rows looks like, such as `TENANT#{tenant_id}`, or
            begins with, such as `CHECKPOINT_{task_id}#*`. Default: the `task_id` tag alone.
        partition_key: Name of the table's partition key attribute. Default: where the leading key is one bare
            tag, the attribute must be called like the tag; otherwise the name is not checked.
        encryption_key: Customer-managed key of the table. Default: the key found on the table.
    """

    table: cdk.aws_dynamodb.ITable
    access: str | Sequence[str] = "read-only"
    leading_key: str = TASK_LEADING_KEY
    partition_key: str | None = None
    encryption_key: cdk.aws_kms.IKey | None = None

    def __post_init__(self) -> None:
        require_attribute(
            self.table, "table_arn", what="a tenant table", example='Table.from_table_name(self, "Tasks", "tasks")'
        )
        object.__setattr__(self, "access", as_words(self.access, "access"))

    def bind(self, context: StackContext, tag_keys: Sequence[str]) -> BoundTable:
        """
        Read from the CDK what the statements need.

        Raises:
            InvalidInputError: Unknown access word, bad leading key, or a table keyed on another attribute.
        """
        if self.leading_key == TASK_LEADING_KEY and TASK_LEADING_KEY.strip("{}") not in tag_keys:
            raise InvalidInputError(
                f"a tenant table has the leading key `{TASK_LEADING_KEY}`, which no session has a tag for",
                got=f"the tags {', '.join(tag_keys)}, and no leading_key but the default",
                expected="what the partition key of a session's own rows looks like, made of its tags",
                why="dynamodb:LeadingKeys compares the partition key with it",
                fix=f'pass leading_key, such as leading_key="{{{next(iter(tag_keys), "tenant_id")}}}"',
            )
        key_format = KeyFormat.leading_key(self.leading_key, tag_keys)
        actions = actions_for(self.access, TABLE_ACCESS, "a tenant table")
        arn, name = asked_once(self.table, "table_arn"), asked_once(self.table, "table_name")
        stands_in = StackContext.of(self.table)
        home = stands_in if is_token(name) else context  # for the length of a generated name, and for the account
        if has_wildcard(arn):
            raise InvalidInputError(
                "a tenant table's name is a pattern",
                got="a wildcard in the table's ARN",
                expected="one table",
                why="tables that nobody named would be opened",
                fix="import the table by its exact name or ARN",
            )
        resource: Any = self.table.node.default_child
        own = (cdk.aws_dynamodb.CfnTable, cdk.aws_dynamodb.CfnGlobalTable)
        known = properties_of(resource) if isinstance(resource, own) else None
        partition_key, physical_name = self._check_schema(known, context, key_format) if known else (None, None)
        key = self.encryption_key
        if key is None and (known is None or known.get("sseSpecification")):
            key = self.table.encryption_key
        return BoundTable(
            arn=arn,
            name=name,
            actions=actions,
            key_format=key_format,
            kms_key_arn=key.key_arn if key else None,
            physical_name=physical_name,
            every_region_arn=_every_region(arn, name, context, home, imported=resource is None),
            other_stack=None if home is context else home.stack_name,
            # In the template of another stack nobody may look it up who holds this one alone.
            partition_key=partition_key if stands_in is context else None,
        )

    def _check_schema(
        self, known: Mapping[str, Any], context: StackContext, key_format: KeyFormat
    ) -> tuple[str, str | None]:
        """Check the partition key; return its name, and the table's physical name if it has one."""
        expected = self.partition_key
        if expected is None and key_format.text == f"{{{key_format.tags[0]}}}":
            expected = key_format.tags[0]
        schema = known["keySchema"]
        if not isinstance(schema, list):
            schema = context.stack.resolve(schema)
        actual = next(entry["attributeName"] for entry in schema if entry["keyType"] == "HASH")
        _check_type(self.table, known.get("attributeDefinitions"), actual)
        if expected is not None and actual != expected:
            raise InvalidInputError(
                f"table `{cast(IConstruct, self.table).node.path}` is keyed on another attribute",
                got=f"partition key `{actual}`",
                expected=f"`{expected}`",
                why="dynamodb:LeadingKeys compares the partition key, so the policy would compare unlike things",
                fix=f'pass the table\'s own leading_key, or partition_key="{actual}" if it does hold this value',
            )
        name = known.get("tableName")
        return actual, name if isinstance(name, str) and not is_token(name) else None


@dataclass(frozen=True)
class BoundTable:
    """
    A tenant table as the statements need it: plain strings, some of them CDK tokens.

    Attributes:
        partition_key: Name of its partition key attribute, where this stack's own template says it.
    """

    arn: str
    name: str
    actions: tuple[str, ...]
    key_format: KeyFormat
    kms_key_arn: str | None
    physical_name: str | None
    every_region_arn: str
    other_stack: str | None
    partition_key: str | None


def every_region(table: cdk.aws_dynamodb.ITable, context: StackContext) -> str:
    """Return the ARN of a table for all Regions, for a guard; `context` is where the guard's owner stands."""
    home = StackContext.of(table) if is_token(table.table_name) else context
    return _every_region(table.table_arn, table.table_name, context, home, imported=table.node.default_child is None)


def _every_region(arn: str, name: str, context: StackContext, home: StackContext, *, imported: bool) -> str:
    """Return the table's ARN for all Regions: a replica holds the same rows."""
    fields = Arn.parse(arn)
    if fields and fields.service == "dynamodb":
        # Also where some fields are tokens: the account may be another one than the stack's.
        return str(fields._replace(region="*"))
    if imported and fields is None and is_token(arn):
        # Nothing of the ARN is known, its account included.
        account = cdk.Fn.select(4, cdk.Fn.split(":", arn))
        return context.arn("dynamodb", f"table/{name}", region="*", account=account)
    foreign = None if home is context or is_token(home.account) else home.account
    return context.arn("dynamodb", f"table/{name}", region="*", account=foreign)


def check_distinct(tables: Sequence[BoundTable]) -> None:
    """
    Refuse a table named twice, under two imports or two Regions too.

    Each guard denies what its own entry does not name, in every Region: two entries would deny each other's actions.
    """
    seen: dict[str, BoundTable] = {}
    for table in tables:
        other = seen.setdefault(table.every_region_arn, table)
        same_access = (other.actions, other.key_format) == (table.actions, table.key_format)
        if other is not table and (other.arn == table.arn or not same_access):
            raise InvalidInputError(
                "a tenant table is listed twice",
                got="two entries for one table",
                expected="one entry per table, or one per Region with the same access",
                why="each entry's guard denies what the other one allows",
                fix="merge the entries",
            )


def _check_type(table: cdk.aws_dynamodb.ITable, attributes: Any, key: str) -> None:
    known = attributes if isinstance(attributes, list) else []
    kind = next((one["attributeType"] for one in known if one["attributeName"] == key), "S")
    if kind != "S":
        raise InvalidInputError(
            f"table `{cast(IConstruct, table).node.path}` has a partition key that is no string",
            got=f"type {kind}",
            expected="type S",
            why="1 and 1.0 are one number and two tags",
            fix="key the table on a string",
        )


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
        sections.append(Section.by_resource(deny(f"DenyTablesWithout{alnum(tag.title())}", keyed, untagged)))
    return sections


def allow_sections(tables: Sequence[BoundTable], base: Conditions) -> list[Section]:
    """Return the Allows: one statement for all tables with the same access and leading key."""
    sections = []
    for (actions, key_format), group in _grouped(tables, lambda table: (table.actions, table.key_format)):
        names = "".join(action.removeprefix("dynamodb:").removesuffix("Item") for action in actions)
        conditions: Conditions = {
            # ForAllValues is true where the key is absent, hence the Null.
            # Source: IAM guide, reference_policies_condition-single-vs-multi-valued-context-keys.
            f"ForAllValues:String{key_format.operator}": {"dynamodb:LeadingKeys": [key_format.policy_variables()]},
            "Null": {"dynamodb:LeadingKeys": "false"},
        }
        sid = f"{names}By{alnum(key_format.text.title())}"
        sections.append(Section.by_resource(allow(sid, actions, [table.arn for table in group], conditions, base)))
    return sections


def guard_sections(tables: Sequence[BoundTable]) -> list[Section]:
    """
    Return the Denies that hold when somebody later allows `dynamodb:*`.

    A foreign leading key, no leading key at all (Scan, every table operation), every action that is not in the
    table's own list, and all that hangs below a table: indexes, streams, backups, exports.
    """
    sections = []
    for key_format, group in _grouped(tables, lambda table: table.key_format):
        by = alnum(key_format.text.title())
        own = {"dynamodb:LeadingKeys": [key_format.policy_variables()]}
        foreign: Conditions = {f"ForAnyValue:StringNot{key_format.operator}": own}
        sections.append(Section.by_resource(deny(f"DenyForeignRowsBy{by}", _whole(group), foreign)))
    no_key: Conditions = {"Null": {"dynamodb:LeadingKeys": "true"}}
    sections.append(Section.by_resource(deny("DenyRequestsWithoutRows", _whole(tables), no_key)))
    for number, (actions, group) in enumerate(_grouped(tables, lambda table: table.actions), 1):
        others = {"NotAction": actions, "Resource": [table.every_region_arn for table in group]}
        sections.append(Section.by_resource(deny(f"DenyOtherActions{number}", others)))
    sections.append(Section.by_resource(deny("DenyIndexesAndStreams", _below(tables))))
    return sections


def compute_guard_sections(tables: Sequence[BoundTable]) -> list[Section]:
    """Return the Denies for the compute roles: nothing on a tenant table, nor below it."""
    return [
        Section.by_resource(deny("DenyTenantTables", _whole(tables))),
        Section.by_resource(deny("DenyTenantTablesBelow", _below(tables))),
    ]


def key_sections(tables: Sequence[BoundTable], context: StackContext, base: Conditions) -> list[Section]:
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
        return [allow("DecryptTables", ["kms:Decrypt"], keys, conditions, base)]

    return [Section(encrypted, render)]


def _account(table: BoundTable, context: StackContext) -> str:
    account = field_of(table.every_region_arn, "account")
    return context.account if is_token(account) else account


def _whole(tables: Iterable[BoundTable]) -> dict[str, list[str]]:
    return {"Action": ["dynamodb:*"], "Resource": [table.every_region_arn for table in tables]}


def _below(tables: Iterable[BoundTable]) -> dict[str, list[str]]:
    return {"Action": ["dynamodb:*"], "Resource": [f"{table.every_region_arn}/*" for table in tables]}


def _grouped(tables: Iterable[BoundTable], by: Callable[[BoundTable], _Key]) -> list[tuple[_Key, list[BoundTable]]]:
    """Group the tables, in order of first appearance."""
    groups: dict[_Key, list[BoundTable]] = {}
    for table in tables:
        groups.setdefault(by(table), []).append(table)
    return [*groups.items()]
