"""The tenant data of one role: its tables and objects, and the statements about them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.policy_sizes import PolicySizer
from session_scoping.constructs.cdk.stack_context import StackContext, is_token
from session_scoping.constructs.cdk.statements import Conditions, deny
from session_scoping.constructs.data import memory as tenant_memory
from session_scoping.constructs.data import name_statements, named_data, object_lists, table_statements
from session_scoping.constructs.data import objects as tenant_objects
from session_scoping.constructs.data.memory import BoundMemory, TenantMemory
from session_scoping.constructs.data.named_data import BoundNames, TenantParameters, TenantSecrets
from session_scoping.constructs.data.object_overlap import check_disjoint
from session_scoping.constructs.data.objects import BoundObjects, BucketFacts, TenantObjects
from session_scoping.constructs.data.tables import BoundTable, TenantTable, check_distinct
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.key_formats import KeyFormat, names_tags, shared_on_purpose
from session_scoping.contract.tags import OBJECT_KEY_TAGS


@dataclass(frozen=True)
class TenantData:
    """Tables, objects, secrets and parameters, checked against the tag keys and read from the CDK."""

    tables: tuple[BoundTable, ...]
    objects: tuple[BoundObjects, ...]
    context: StackContext
    named: tuple[BoundNames, ...] = ()
    memories: tuple[BoundMemory, ...] = ()

    @classmethod
    def bind(
        cls,
        context: StackContext,
        tag_keys: Sequence[str],
        tables: Sequence[TenantTable],
        objects: Sequence[TenantObjects] = (),
        named: Sequence[TenantSecrets | TenantParameters] = (),
        memories: Sequence[TenantMemory] = (),
    ) -> "TenantData":
        """
        Check and read tables, objects, secrets and parameters.

        Raises:
            InvalidInputError: See the entries' own classes; also a table listed twice, or formats that meet.
        """
        buckets = {id(entry.bucket): entry.bucket for entry in objects}  # several entries often share one
        facts = {key: BucketFacts.of(bucket) for key, bucket in buckets.items()}
        bound_objects = tuple(entry.bind(tag_keys, facts[id(entry.bucket)]) for entry in objects)
        check_disjoint(bound_objects, context)
        bound_tables = tuple(entry.bind(context, tag_keys) for entry in tables)
        check_distinct(bound_tables)
        bound_names = tuple(entry.bind(context, tag_keys) for entry in named)
        named_data.check_disjoint_names(bound_names)
        bound_memories = tuple(entry.bind(tag_keys) for entry in memories)
        tenant_memory.check_distinct(bound_memories)
        return cls(bound_tables, bound_objects, context, bound_names, bound_memories)

    def check_distinct_from(self, other: "TenantData") -> None:
        """
        Refuse a table that both name.

        Raises:
            InvalidInputError: Some ARN is in both.
        """
        here, there = ({table.every_region_arn for table in data.tables} for data in (self, other))
        if shared := here & there:
            raise InvalidInputError(
                "a table is given to one role twice",
                got=f"{len(shared)} tables named before",
                expected="each table in one SessionRole or TenantTablePolicy of a role",
                why="each guard denies what its own entry does not name, so together they deny what both allow",
                fix="name all access of a table in one place",
            )

    def joined(self, other: "TenantData") -> "TenantData":
        """Return both tenant data as one."""
        named, memories = self.named + other.named, self.memories + other.memories
        return TenantData(self.tables + other.tables, self.objects + other.objects, self.context, named, memories)

    def without(self, other: "TenantData") -> "TenantData":
        """Return what is not in the other: whole tables and buckets."""
        tables = {table.every_region_arn for table in other.tables}
        buckets = {entry.bucket_arn for entry in other.objects}
        return TenantData(
            tuple(table for table in self.tables if table.every_region_arn not in tables),
            tuple(entry for entry in self.objects if entry.bucket_arn not in buckets),
            self.context,
            self.named,
            self.memories,
        )

    def measurable(self) -> list[str]:
        """Return the strings that `register_names` resolves, for a caller that has others to resolve too."""
        return [*(table.name for table in self._measured_tables()), *self._buckets()]

    def register_names(self, sizer: PolicySizer) -> None:
        """Tell the sizer what is known of the lengths of names and ARNs."""
        self.context.resolve(self.measurable())
        for table in self._measured_tables():
            match self.context.resolved.get(table.name):
                case {"Ref": str(logical_id)}:
                    sizer.register_name(logical_id, table.physical_name, table.other_stack or sizer.stack_name)
        for arn in self._buckets():
            match self.context.resolved[arn]:
                case {"Fn::GetAtt": [str(logical_id), "Arn"]}:
                    sizer.buckets.add(logical_id)

    def _measured_tables(self) -> list[BoundTable]:
        return [table for table in self.tables if is_token(table.name) and (table.physical_name or table.other_stack)]

    def _buckets(self) -> list[str]:
        """Return the buckets of this stack: a reference to another stack renders longer than their ARN."""
        return [entry.bucket_arn for entry in self.objects if entry.home is self.context and is_token(entry.bucket_arn)]

    def path_tags(self, tag_keys: Sequence[str]) -> tuple[str, ...]:
        """Return the tags that become part of an object key or a name, now or in the reference layout."""
        used = {tag for key_format in self._paths() for tag in key_format.tags}
        return tuple(key for key in tag_keys if key in used | OBJECT_KEY_TAGS)

    def _paths(self) -> list[KeyFormat]:
        """Return the formats of object keys, of names and of what a Memory holds."""
        entries: Sequence[BoundObjects | BoundNames | BoundMemory] = (*self.objects, *self.named, *self.memories)
        return [key_format for entry in entries for key_format in entry.formats]

    def shared_by(self, tag_keys: Iterable[str]) -> list[str]:
        """Return by which tags tasks share data, because a key format that was asked for does not name the task."""
        objects = self._paths()
        unnamed = [
            table.key_format
            for table in self.tables
            if table.key_format.is_prefix or not names_tags(table.partition_key, table.key_format.tags)
        ]
        return shared_on_purpose([table.key_format for table in self.tables], objects, tag_keys, unnamed)

    def permissions(self) -> list[Section]:
        """Return the Allows; each demands the tags that its keys use."""
        return [
            *table_statements.allow_sections(self.tables),
            *tenant_objects.allow_sections(self.objects),
            *object_lists.allow_sections(self.objects),
            *table_statements.key_sections(self.tables, self.context),
            *tenant_objects.key_sections(self.objects, self.context),
            *name_statements.allow_sections(self.named),
            *tenant_memory.allow_sections(self.memories),
        ]

    def guards(self, other_objects: Sequence[str] = (), other_tables: Sequence[str] = ()) -> list[Section]:
        """Return the Denies for the role that has these permissions, with those that the two arguments ask for."""
        of_tables = (
            table_statements.listed_sections(self.tables, other_tables)
            if other_tables
            else table_statements.closed_sections(self.tables, self.context)
        )
        return [
            *of_tables,
            *tenant_objects.guard_sections(self.objects, other_objects, self.context),
            *object_lists.guard_sections(self.objects),
            *name_statements.guard_sections(self.named),
            *tenant_memory.guard_sections(self.memories),
            *self._key_guard(),
        ]

    def guards_on_any_role(self) -> list[Section]:
        """Return the Denies for a role that is not ours: on these tables alone, and for sessions without tags too."""
        return [
            *table_statements.untagged_sections(self.tables),
            *table_statements.listed_sections(self.tables),
            *self._key_guard(),
        ]

    def _key_guard(self) -> list[Section]:
        """Deny the tenant keys to requests that come through no service that uses them, administration included."""
        keys = self._keys()
        if not keys:
            return []
        using = dict.fromkeys(["dynamodb", "s3", *(entry.kind.service for entry in self.named if entry.kms_key_arn)])
        services = [value for service in using for value in self.context.via_service(service, keys)]
        scope = {"Action": ["kms:*"], "Resource": keys}
        # Negated, so true for a direct call, which has no ViaService.
        direct: Conditions = {"StringNotEquals": {"kms:ViaService": services}}
        return [Section.by_resource(deny("KeysOutsideTheirServices", scope, direct))]

    def _keys(self) -> list[str]:
        used = [entry.kms_key_arn for entries in (self.tables, self.objects, self.named) for entry in entries]
        return list(dict.fromkeys(arn for arn in used if arn))

    def _compute_key_guard(self) -> list[Section]:
        """Deny direct use and administration of the tenant keys; a key may also serve the compute role's secrets."""
        if not (keys := self._keys()):
            return []
        direct: Conditions = {"Null": {"kms:ViaService": "true"}}
        scope = {"Action": ["kms:*"], "Resource": keys}
        return [Section.by_resource(deny("DenyTenantKeysDirectly", scope, direct))]

    def compute_guards(self) -> list[Section]:
        """Return the Denies for the compute roles, which reach none of it."""
        return [
            *(table_statements.compute_guard_sections(self.tables) if self.tables else []),
            *tenant_objects.compute_guard_sections(self.objects, self.context),
            *name_statements.compute_guard_sections(self.named),
            *tenant_memory.compute_guard_sections(self.memories),
            *self._compute_key_guard(),
        ]
