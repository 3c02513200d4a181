"""Tenant tables: which rows of which table a session reaches, checked and read from the CDK."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import aws_cdk as cdk
from constructs import IConstruct

from session_scoping.constructs.cdk.stack_context import StackContext, asked_once, has_wildcard, is_token, properties_of
from session_scoping.constructs.data.access import TABLE_ACCESS, actions_for, as_words, require_attribute
from session_scoping.contract.arns import Arn
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.key_formats import TASK_LEADING_KEY, KeyFormat


@dataclass(frozen=True)
class TenantTable:
    """
    One table whose rows belong to tenants, and what a session may do with its own rows.

    Args:
        table: The table, created here or imported.
        access: Access words, see `access.TABLE_ACCESS`. Default: `read-only`.
        leading_key: What the partition key of the session's own rows looks like, such as `TENANT#{tenant_id}`, or
            begins with, such as `STEP_{task_id}#*`. Default: the `task_id` tag alone.
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
    """Return the ARN of a table for all Regions, for a guard; `context` is the stack of the guard's owner."""
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


def check_other_tables(patterns: Sequence[str]) -> tuple[str, ...]:
    """
    Return the patterns of the other tables that a role may reach.

    They loosen the Deny on other tables alone: what is said of the role's own names them.

    Raises:
        InvalidInputError: Text in place of a list, or no ARN of a DynamoDB table, of one of its indexes, or a pattern.
    """
    given = (patterns,) if isinstance(patterns, str) else tuple(patterns)
    for pattern in given:
        fields = Arn.parse(pattern)
        named = is_token(pattern) if fields is None else fields.service == "dynamodb" and "table/" in fields.resource
        if isinstance(patterns, str) or not named:
            raise InvalidInputError(
                "other_tables names something else",
                got="one text in place of a list" if isinstance(patterns, str) else f"`{pattern}`",
                expected="ARNs or ARN patterns of DynamoDB tables, or of their indexes",
                why="the Deny on other tables would be open for what nobody named",
                fix="pass a list, such as other_tables=[table.table_arn]",
            )
    return given
