"""Tenant tables: which rows of which table a session reaches, and the guards around them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import IConstruct

from session_scoping.constructs.access import TABLE_ACCESS, actions_for
from session_scoping.constructs.documents import Section
from session_scoping.constructs.site import Site, is_token, properties_of
from session_scoping.constructs.statements import Conditions, Statement, allow, alnum, deny
from session_scoping.errors import InvalidInputError
from session_scoping.layout import TASK_LEADING_KEY, KeyFormat

_Key = TypeVar("_Key")


@dataclass(frozen=True)
class TenantTable:
    """
    One table whose rows belong to tenants, and what a session may do with its own rows.

    Args:
        table: The table, created here or imported.
        access: Access words, see `access.TABLE_ACCESS`. Default: `read-only`.
        leading_key: What the partition key of the session's own rows looks like, such as `TENANT#{tenant_id}`.
            Default: the `task_id` tag alone.
        partition_key: Name of the table's partition key attribute. Default: where the leading key is one bare
            tag, the attribute must be called like the tag; otherwise the name is not checked.
        encryption_key: Customer-managed key of the table. Default: the key found on the table.
    """

    table: dynamodb.ITable
    access: str | Sequence[str] = "read-only"
    leading_key: str = TASK_LEADING_KEY
    partition_key: str | None = None
    encryption_key: kms.IKey | None = None

    def bind(self, site: Site, tag_keys: Sequence[str]) -> "BoundTable":
        """
        Read from the CDK what the statements need.

        Raises:
            InvalidInputError: Unknown access word, bad leading key, or a table keyed on another attribute.
        """
        key_format = KeyFormat.leading_key(self.leading_key, tag_keys)
        actions = actions_for(self.access, TABLE_ACCESS, "a tenant table")
        arn, name = self.table.table_arn, self.table.table_name
        resource: Any = self.table.node.default_child
        known = properties_of(resource) if isinstance(resource, dynamodb.CfnTable | dynamodb.CfnGlobalTable) else None
        key = self.encryption_key
        if key is None and (known is None or known.get("sseSpecification")):
            key = self.table.encryption_key
        return BoundTable(
            arn=arn,
            name=name,
            every_region_arn=_every_region(arn, name, site),
            actions=actions,
            key_format=key_format,
            kms_key_arn=key.key_arn if key else None,
            physical_name=self._check_schema(known, site, key_format) if known is not None else None,
        )

    def _check_schema(self, known: Mapping[str, Any], site: Site, key_format: KeyFormat) -> str | None:
        """Check the partition key; return the table's physical name if it has one."""
        expected = self.partition_key
        if expected is None and key_format.text == f"{{{key_format.tags[0]}}}":
            expected = key_format.tags[0]
        schema = known["keySchema"]
        if not isinstance(schema, list):
            schema = site.stack.resolve(schema)
        actual = next(entry["attributeName"] for entry in schema if entry["keyType"] == "HASH")
        if expected is not None and actual != expected:
            raise InvalidInputError(
                f"table `{cast(IConstruct, self.table).node.path}` is keyed on another attribute",
                got=f"partition key `{actual}`",
                expected=f"`{expected}`",
                why="dynamodb:LeadingKeys compares the partition key, so the policy would compare unlike things",
                fix=f'pass the table\'s own leading_key, or partition_key="{actual}" if it does hold this value',
            )
        name = known.get("tableName")
        return name if isinstance(name, str) and not is_token(name) else None


@dataclass(frozen=True)
class BoundTable:
    """A tenant table as the statements need it: plain strings, some of them CDK tokens."""

    arn: str
    name: str
    every_region_arn: str
    actions: tuple[str, ...]
    key_format: KeyFormat
    kms_key_arn: str | None
    physical_name: str | None


def _every_region(arn: str, name: str, site: Site) -> str:
    """Return the table's ARN for all Regions: a replica holds the same rows."""
    if is_token(arn):
        return site.arn("dynamodb", f"table/{name}", region="*")
    head, partition, service, _region, account, resource = arn.split(":", 5)
    return ":".join((head, partition, service, "*", account, resource))


def check_distinct(tables: Sequence[TenantTable]) -> None:
    """Refuse the same table twice: the access of one entry would silently be added to the other's."""
    if len({id(entry.table) for entry in tables}) != len(tables):
        raise InvalidInputError(
            "a tenant table is listed twice",
            got="two entries for one table",
            expected="one entry per table",
            why="their access would add up, beyond what either entry says",
            fix="merge the two entries",
        )


def allow_sections(tables: Sequence[BoundTable], base: Conditions) -> list[Section]:
    """Return the Allows: one statement for all tables with the same access and leading key."""
    sections = []
    for (actions, key_format), group in _grouped(tables, lambda table: (table.actions, table.key_format)):
        names = "".join(action.removeprefix("dynamodb:").removesuffix("Item") for action in actions)
        conditions: Conditions = {
            # ForAllValues is true where the key is absent, hence the Null.
            # Source: IAM guide, reference_policies_condition-single-vs-multi-valued-context-keys.
            "ForAllValues:StringEquals": {"dynamodb:LeadingKeys": [key_format.policy_variables()]},
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
        foreign: Conditions = {"ForAnyValue:StringNotEquals": {"dynamodb:LeadingKeys": [key_format.policy_variables()]}}
        rows = {"Action": ["dynamodb:*"], "Resource": [table.every_region_arn for table in group]}
        sections.append(Section.by_resource(deny(f"DenyForeignRowsBy{by}", rows, foreign)))
    everywhere = {"Action": ["dynamodb:*"], "Resource": [table.every_region_arn for table in tables]}
    no_key: Conditions = {"Null": {"dynamodb:LeadingKeys": "true"}}
    sections.append(Section.by_resource(deny("DenyRequestsWithoutRows", everywhere, no_key)))
    for number, (actions, group) in enumerate(_grouped(tables, lambda table: table.actions), 1):
        others = {"NotAction": actions, "Resource": [table.every_region_arn for table in group]}
        sections.append(Section.by_resource(deny(f"DenyOtherActions{number}", others)))
    sections.append(Section.by_resource(deny("DenyIndexesAndStreams", _below(tables))))
    return sections


def compute_guard_sections(tables: Sequence[BoundTable]) -> list[Section]:
    """Return the Denies for the compute roles: nothing on a tenant table, nor below it."""
    whole = {"Action": ["dynamodb:*"], "Resource": [table.every_region_arn for table in tables]}
    return [
        Section.by_resource(deny("DenyTenantTables", whole)),
        Section.by_resource(deny("DenyTenantTablesBelow", _below(tables))),
    ]


def key_sections(tables: Sequence[BoundTable], site: Site, base: Conditions) -> list[Section]:
    """
    Return the Allow on the tables' customer-managed keys.

    Decrypt alone, only as DynamoDB asks for it and only for these tables.
    Source: KMS guide, services-dynamodb (encryption context).
    """
    encrypted = [table for table in tables if table.kms_key_arn]
    if not encrypted:
        return []

    def render(part: Sequence[BoundTable]) -> list[Statement]:
        conditions: Conditions = {
            "StringEquals": {
                "kms:ViaService": site.via_service("dynamodb"),
                "kms:EncryptionContext:aws:dynamodb:tableName": [table.name for table in part],
                "kms:EncryptionContext:aws:dynamodb:subscriberId": site.account,
            }
        }
        keys = list(dict.fromkeys(cast(str, table.kms_key_arn) for table in part))
        return [allow("DecryptTables", ["kms:Decrypt"], keys, conditions, base)]

    return [Section(encrypted, render)]


def _below(tables: Iterable[BoundTable]) -> dict[str, list[str]]:
    return {"Action": ["dynamodb:*"], "Resource": [f"{table.every_region_arn}/*" for table in tables]}


def _grouped(
    tables: Iterable[BoundTable], key: Callable[[BoundTable], _Key]
) -> Iterable[tuple[_Key, list[BoundTable]]]:
    """Group the tables, in order of first appearance."""
    groups: dict[_Key, list[BoundTable]] = {}
    for table in tables:
        groups.setdefault(key(table), []).append(table)
    return groups.items()
