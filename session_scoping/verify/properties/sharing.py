"""What the keys of one role leave open: whether sessions that share some were meant to."""

from collections.abc import Sequence

from session_scoping.contract.key_formats import names_tags
from session_scoping.contract.tags import POD_IDENTITY_TAGS
from session_scoping.verify.patterns.text import Pattern, Text, Variable, Wildcard, show
from session_scoping.verify.policies.model import Store
from session_scoping.verify.scoping.infer import SessionScope, tags_in


def doubt_about_sharing(scoped: SessionScope, store: Store) -> str | None:
    """
    Return why a store's keys may be shared by sessions that were meant to be apart; None when nothing says so.

    What tells sessions apart is inferred from the grants, which may be the mistake. Traces of a tag that got lost are
    looked for: a wildcard stands in the leading keys, another leading key of the table has one more tag, so has another
    key of the role and the table's partition key is not called like the tags that are left, or a role without tables
    has object keys that leave out a tag every session carries.
    """
    formats = scoped.formats[store.id]
    meant = [pattern for pattern in formats if not _declared_shared(scoped, tags_in(pattern))]
    if store.kind != "table":
        return None if any(other.kind == "table" for other in scoped.stores) else _tag_left_out(scoped, meant)
    unused = unused_tags(scoped)
    wild = next((p for p in meant if any(isinstance(part, Wildcard) for part in p)), None)
    if unused and wild is not None:
        return f"{show_pattern(wild)} leaves open what no key says: {scoped.spelling[unused[0]]}; {_fix(wild, scoped)}"
    narrow = next((p for p in meant if any(tags_in(p) < tags_in(other) for other in formats)), None)
    if narrow is not None:
        return f"{show_pattern(narrow)} has fewer tags than another key of the table; {_fix(narrow, scoped)}"
    return _tag_of_another_store(scoped, store, meant)


def _tag_of_another_store(scoped: SessionScope, store: Store, meant: Sequence[Pattern]) -> str | None:
    others = [pattern for formats in scoped.formats.values() for pattern in formats]
    for pattern in (p for p in meant if not _is_named(store, p)):
        wider = next((p for p in others if tags_in(pattern) < tags_in(p) <= set(scoped.declared)), None)
        if wider is not None:
            why = f"has fewer tags than {show_pattern(wider)}, and {_called(store)}"
            return f"{show_pattern(pattern)} {why}; {_fix(pattern, scoped)}"
    return None


def _is_named(store: Store, pattern: Pattern) -> bool:
    """Whether a table's partition key is called like all that a leading key is made of."""
    is_whole = not any(isinstance(part, Wildcard) for part in pattern)
    return is_whole and names_tags(store.partition_key, tags_in(pattern))


def _called(store: Store) -> str:
    if store.partition_key is None:
        return "the table's partition key is not in these templates"
    return f"the table's partition key `{store.partition_key}` does not say that these are all"


def _tag_left_out(scoped: SessionScope, meant: Sequence[Pattern]) -> str | None:
    for pattern in meant:
        # A pod's session carries these whatever they are meant for.
        if left_out := sorted(set(scoped.declared) - tags_in(pattern) - set(POD_IDENTITY_TAGS)):
            missing = ", ".join(scoped.spelling[tag] for tag in left_out)
            shared = f"{show_pattern(pattern)} is one for all sessions that differ in {missing} alone"
            return f"{shared}; {_fix(pattern, scoped)}"
    return None


def unused_tags(scoped: SessionScope) -> list[str]:
    """Return the declared tags that are in no key: sessions that differ in one of them alone are taken for the same."""
    used = {tag for formats in scoped.formats.values() for pattern in formats for tag in tags_in(pattern)}
    return sorted(set(scoped.declared) - used)


def _fix(pattern: Pattern, scoped: SessionScope) -> str:
    tags = ",".join(scoped.spelled(tag) for tag in sorted(tags_in(pattern)))
    return f"if sessions are to share it, say so with --shared-by {tags}"


def _declared_shared(scoped: SessionScope, tags: frozenset[str]) -> bool:
    return any(agreed <= tags for agreed in scoped.shared_by)


def show_pattern(pattern: Pattern) -> str:
    """Return a pattern for a reader."""
    pieces: list[str] = []
    for part in pattern:
        if isinstance(part, Variable):
            pieces.append("{" + (part.spelling or part.key).rpartition("/")[2] + "}")
        elif isinstance(part, Wildcard):
            pieces.append(part.symbol)
        else:
            text: Text = (part,)
            pieces.append(show(text))
    return "`" + "".join(pieces) + "`"
