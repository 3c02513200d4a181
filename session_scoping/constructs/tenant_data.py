"""The tenant data of one role: its tables and objects, and the statements about them."""

from collections.abc import Sequence
from dataclasses import dataclass

from session_scoping.constructs import objects as tenant_objects
from session_scoping.constructs import tables as tenant_tables
from session_scoping.constructs.documents import Ruler, Section
from session_scoping.constructs.objects import BoundObjects, TenantObjects
from session_scoping.constructs.site import Site
from session_scoping.constructs.statements import Conditions
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
        bound_objects = tuple(entry.bind(tag_keys) for entry in objects)
        tenant_objects.check_disjoint(bound_objects)
        return cls(tuple(entry.bind(site, tag_keys) for entry in tables), bound_objects, site)

    def teach(self, ruler: Ruler) -> None:
        """Tell the ruler the lengths of the names that are known."""
        for table in self.tables:
            table.teach(ruler, self.site)

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
        ]

    def compute_guards(self) -> list[Section]:
        """Return the Denies for the compute roles, which reach none of it."""
        return [
            *(tenant_tables.compute_guard_sections(self.tables) if self.tables else []),
            *tenant_objects.compute_guard_sections(self.objects, self.site),
        ]
