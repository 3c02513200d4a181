"""The tenant data of one role: its tables and objects, and the statements about them."""

from collections.abc import Sequence
from dataclasses import dataclass

from session_scoping.constructs import objects as tenant_objects
from session_scoping.constructs import tables as tenant_tables
from session_scoping.constructs.documents import Ruler, Section
from session_scoping.constructs.objects import BoundObjects, BucketFacts, TenantObjects
from session_scoping.constructs.site import Site, is_token
from session_scoping.constructs.statements import Conditions, deny
from session_scoping.constructs.tables import BoundTable, TenantTable
from session_scoping.tags import OBJECT_KEY_TAGS


@dataclass(frozen=True)
class TenantData:
    """Tables and objects, checked against the tag keys and read from the CDK."""

    tables: tuple[BoundTable, ...]
    objects: tuple[BoundObjects, ...]
    site: Site

    @classmethod
    def bind(
        cls,
        site: Site,
        tag_keys: Sequence[str],
        tables: Sequence[TenantTable],
        objects: Sequence[TenantObjects] = (),
    ) -> "TenantData":
        """
        Check and read tables and objects.

        Raises:
            InvalidInputError: See `TenantTable` and `TenantObjects`; also a table listed twice, or key formats
                that meet.
        """
        tenant_tables.check_distinct(tables)
        buckets = {id(entry.bucket): entry.bucket for entry in objects}  # several entries often share one
        facts = {key: BucketFacts.of(bucket) for key, bucket in buckets.items()}
        bound_objects = tuple(entry.bind(tag_keys, facts[id(entry.bucket)]) for entry in objects)
        tenant_objects.check_disjoint(bound_objects)
        return cls(tuple(entry.bind(site, tag_keys) for entry in tables), bound_objects, site)

    def measurable(self) -> list[str]:
        """Return the strings that `teach` asks the CDK to resolve, for a caller that has others to resolve too."""
        return [*filter(is_token, self._named()), *self._buckets()]

    def teach(self, ruler: Ruler) -> None:
        """Tell the ruler what is known of the lengths of names and ARNs."""
        self.site.resolve(self.measurable())
        for name, physical_name in self._named().items():
            match self.site.resolved.get(name):
                case {"Ref": str(logical_id)}:
                    ruler.names[logical_id] = len(physical_name)
        for arn in self._buckets():
            match self.site.resolved[arn]:
                case {"Fn::GetAtt": [str(logical_id), "Arn"]}:
                    ruler.buckets.add(logical_id)

    def _named(self) -> dict[str, str]:
        return {table.name: table.physical_name for table in self.tables if table.physical_name}

    def _buckets(self) -> list[str]:
        """Return the buckets of this stack: a reference to another stack renders longer than their ARN."""
        return [entry.bucket_arn for entry in self.objects if entry.home is self.site and is_token(entry.bucket_arn)]

    def path_tags(self, tag_keys: Sequence[str]) -> tuple[str, ...]:
        """Return the tags that become part of an object key, now or in the reference layout."""
        used = {tag for entry in self.objects for key_format in entry.formats for tag in key_format.tags}
        return tuple(key for key in tag_keys if key in used | OBJECT_KEY_TAGS)

    def permissions(self, base: Conditions) -> list[Section]:
        """Return the Allows; each demands `base` too."""
        return [
            *tenant_tables.allow_sections(self.tables, base),
            *tenant_objects.allow_sections(self.objects, base),
            *tenant_tables.key_sections(self.tables, self.site, base),
            *tenant_objects.key_sections(self.objects, self.site, base),
        ]

    def guards(self, other_objects: Sequence[str] = ()) -> list[Section]:
        """Return the Denies for the role that has these permissions."""
        return [
            *(tenant_tables.guard_sections(self.tables) if self.tables else []),
            *tenant_objects.guard_sections(self.objects, other_objects, self.site),
            *self._key_guard(),
        ]

    def _key_guard(self) -> list[Section]:
        """Deny the tenant keys to whoever does not come through DynamoDB or S3, their administration included."""
        used = [table.kms_key_arn for table in self.tables] + [entry.kms_key_arn for entry in self.objects]
        keys = [arn for arn in used if arn]
        if not keys:
            return []
        services = [*self.site.via_service("dynamodb"), *self.site.via_service("s3")]
        scope = {"Action": ["kms:*"], "Resource": list(dict.fromkeys(keys))}
        # Negated, so true for a direct call, which has no ViaService.
        direct: Conditions = {"StringNotEquals": {"kms:ViaService": services}}
        return [Section.by_resource(deny("DenyKeysOutsideTheirServices", scope, direct))]

    def compute_guards(self) -> list[Section]:
        """Return the Denies for the compute roles, which reach none of it."""
        return [
            *(tenant_tables.compute_guard_sections(self.tables) if self.tables else []),
            *tenant_objects.compute_guard_sections(self.objects, self.site),
        ]
