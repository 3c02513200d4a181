"""How resource patterns match one store, part by part: ARN fields, name, and what follows the name."""

from collections.abc import Iterable
from dataclasses import replace

import z3

from session_scoping.verify.patterns.matching import parsed, split_fields
from session_scoping.verify.patterns.naming import (
    from_one_resource,
    is_generated,
    is_import,
    is_made_up,
    is_open,
    may_be_named,
    of_another_service,
    strip,
)
from session_scoping.verify.patterns.text import Pattern, Text, Token, Unmodelled, Variable, Wildcard, join_text
from session_scoping.verify.policies.actions import SERVICE
from session_scoping.verify.policies.model import Statement, Store
from session_scoping.verify.symbolic.access import Target
from session_scoping.verify.symbolic.request_keys import Key
from session_scoping.verify.symbolic.strings import (
    FALSE,
    TRUE,
    Bool,
    Lookup,
    Match,
    both,
    concat,
    conjunction,
    disjunction,
    head_of,
    is_false,
    match_string,
    token_domain,
    token_may_hold,
)

Rest = Key | None
"""What follows the store's name in the resource: nothing, or `/` and a key."""

NEVER, ALWAYS = Match.exact(FALSE), Match.exact(TRUE)
MAYBE = Match(TRUE, FALSE)


def where_granted(store: Store, statements: Iterable[Statement]) -> Store:
    """Return a table or secrets as they stand in any Region when a grant reaches another: replicas hold the same."""
    home = split_fields(store.arn)[3:4]
    replicated = store.replicated or not store.made
    grants = [s for s in statements if s.allow and store.kind in {"table", "secrets"}]
    if any(s.resources is None and replicated for s in grants):
        return _in_any_region(store)
    for text in (text for s in grants for text in s.resources or ()):
        pattern = parsed(text, True, True)
        fields = () if isinstance(pattern, Unmodelled) else split_fields(pattern)
        elsewhere = len(fields) == 6 and _may_be_of(SERVICE[store.kind], fields[2]) and fields[3:4] != home
        if elsewhere or (store.replicated and len(fields) < 6):
            return _in_any_region(store)
    return store


def _may_be_of(service: str, written: Pattern) -> bool:
    return written == (service,) or any(isinstance(part, Wildcard) for part in written)


def _in_any_region(store: Store) -> Store:
    """Return the store with its Region replaced by one of the caller's choice."""
    fields = split_fields(store.arn)
    if len(fields) != 6:
        return store
    region = (Token("the Region of the call", "region"),)
    arn: list[str | Token] = []
    for index, item in enumerate((*fields[:3], region, *fields[4:])):
        arn += [":"] if index else []
        arn += [part for part in item if isinstance(part, str | Token)]
    return replace(store, arn=join_text(tuple(arn)))


def store_target(store: Store, rest: Rest, lookup: Lookup) -> Target:
    """Return the store, or with a `rest` what follows `/` after its name, as the target of a call."""
    domains = [token_domain(part) for part in store.arn if isinstance(part, Token) and part.kind != "key"]
    domains += [rest.domain()] if rest else []
    if store.by_name and rest:
        # Whatever has another name is somebody else's: the tags of some session are in it.
        domains.append(disjunction([rest.match(name, _of_some_session).over for name in store.names]))

    def match(pattern: Pattern) -> Match:
        return match_store(pattern, store, rest, lookup)

    return Target(match, conjunction(domains), store)


def _of_some_session(variable: Variable) -> tuple[Bool, z3.SeqRef]:
    return TRUE, z3.String(f"of some session {variable.key}")


def match_store(pattern: Pattern, store: Store, rest: Rest, lookup: Lookup) -> Match:
    """Match a resource pattern against a store and what follows its name."""
    if is_open(pattern):
        return ALWAYS
    theirs, ours = split_fields(store.arn), split_fields(pattern)
    of_objects = store.kind in {"bucket", "buckets"}
    if of_objects and theirs[2:3] == (("s3",),) and of_another_service(pattern, "s3"):
        return NEVER
    left = strip(pattern, store.arn)
    if left is not None:
        found = _match_rest(left, store, rest, lookup)
        if found is not None:
            return found
    if len(theirs) != 6:
        # An ARN that is one opaque value, an import mostly: what is spelled otherwise may name the same.
        wild = any(isinstance(part, Wildcard) for part in pattern)
        return MAYBE if wild or _may_be_import(pattern, store) else NEVER
    if len(ours) != 6:
        chosen = any(isinstance(part, Token) and part.kind in {"text", "word"} for part in pattern)
        imported = is_import(pattern) and not is_made_up(store.name)
        return MAYBE if chosen or imported else _match_short(pattern, store)
    matches = [_match_field(ours[i], theirs[i], lookup) for i in range(5)]
    # "If the * wildcard is the last character of a resource ARN segment, it can expand to match beyond the colon
    # boundaries": IAM guide, reference_policies_elements_resource. Object keys may hold colons, names may not.
    beyond = rest is not None and of_objects and any(field[-1:] == (Wildcard("*"),) for field in ours[:5])
    if not beyond and any(is_false(match.over) for match in matches):
        return NEVER
    matches.append(_match_path(ours[5], store, rest, lookup))
    found = both(matches)
    return replace(found, over=TRUE) if beyond else found


def _may_be_import(pattern: Pattern, store: Store) -> bool:
    """Whether an ARN may be that of an imported table or bucket; what CloudFormation names in this stack is not."""
    fields = split_fields(pattern)
    service = {"table": "dynamodb", "bucket": "s3"}.get(store.kind)
    if from_one_resource(pattern, store.arn):
        return True
    return is_import(store.arn) and len(fields) == 6 and fields[2] == (service,) and not is_made_up(pattern)


def _match_rest(left: Pattern, store: Store, rest: Rest, lookup: Lookup) -> Match | None:
    """Match what follows the store's name; None when the pattern goes on with the name itself."""
    if is_open(left):
        return ALWAYS
    inside = store.inside(left)
    if rest is None:
        return ALWAYS if not left else None if inside is None else NEVER
    if not left:
        return NEVER
    return None if inside is None else rest.match(inside, lookup)


def _match_short(pattern: Pattern, store: Store) -> Match:
    """Match a pattern with fewer than six fields, such as `arn:aws:s3*`; a `*` at its end reaches past colons."""
    head = head_of(pattern)
    literal = head[0] if head and isinstance(head[0], str) else ""
    known = store.arn[0] if store.arn and isinstance(store.arn[0], str) else ""
    if len(head) == len(pattern):
        return NEVER
    shared = min(len(literal), len(known))
    return NEVER if literal[:shared] != known[:shared] else MAYBE


def _match_field(ours: Pattern, theirs: Pattern, lookup: Lookup) -> Match:
    if is_open(ours) or ours == theirs:
        return ALWAYS
    if all(isinstance(part, str) for part in (*ours, *theirs)):
        return NEVER
    value, _ = concat(theirs, lookup)
    return match_string(ours, value, lookup)


def _match_path(ours: Pattern, store: Store, rest: Rest, lookup: Lookup) -> Match:
    path = split_fields(store.arn)[5]
    left = strip(ours, path)  # type: ignore[arg-type]
    if left is not None:
        found = _match_rest(left, store, rest, lookup)
        if found is not None:
            return found
    if store.by_name:
        begins = head_of(ours)[0] if head_of(ours) else ""
        known = "table/"[: len(begins)] if isinstance(begins, str) else begins
        return NEVER if len(begins) and begins[: len(known)] != known else MAYBE  # type: ignore[arg-type, index]
    prefix = {"table": "table/", "key": "key/", "memory": "memory/"}.get(store.kind, "")
    head = head_of(ours)
    if not head or (len(head) == 1 and isinstance(head[0], str) and prefix.startswith(head[0])):
        # The wildcard begins before the name: exact when it ends the pattern.
        return ALWAYS if is_open(ours[len(head) :]) else MAYBE
    if isinstance(ours[0], str) and not ours[0].startswith(prefix):
        return NEVER
    named = strip(ours, (prefix,)) if prefix else ours
    if named is None:
        return MAYBE
    name, inner = _split_at_slash(named)
    if _heads_differ(name, _made_up_name(name, store)):
        return NEVER
    if inner is None and any(isinstance(part, Wildcard) for part in name):
        return _match_open_name(name, store, rest, lookup)
    if _heads_differ(name, store.name) or (rest is None and inner is not None and _has_no_slash(store.name)):
        return NEVER
    # A variable in the name may hold a `/`, and then reaches into what follows.
    if any(isinstance(part, Wildcard | Variable) for part in name) and (rest is not None or inner is not None):
        return MAYBE
    same = _match_name(name, store, lookup)
    if is_false(same.over):
        return NEVER
    if inner is None or rest is None:
        return same if inner is None and rest is None else NEVER
    return both([same, rest.match(inner, lookup)])


def _heads_differ(one: Pattern, two: Pattern) -> bool:
    """Whether two names begin with different letters, behind what they share."""
    while one and two and one[0] == two[0]:
        one, two = one[1:], two[1:]
    mine, theirs = (parts[0] if parts and isinstance(parts[0], str) else "" for parts in (one, two))
    shared = min(len(mine), len(theirs))
    return mine[:shared] != theirs[:shared]


def _made_up_name(name: Pattern, store: Store) -> Pattern:
    """
    Return how the name begins that CloudFormation makes for a store, as far as a pattern can be compared with it.

    Source: CloudFormation guide, "Name type": `stack-id-1ABCDEFGHIJKL`; longer names than the service takes are cut.
    """
    stack, _, logical_id = store.id.rpartition(".")
    if not name or not is_generated(store.name, store.id):
        return ()
    behind = f"-{logical_id}-"
    own = isinstance(name[0], Token) and name[0].name == f"{stack}.AWS::StackName"
    longest = 63 if store.kind == "bucket" else 255
    if own and len(behind) + _STACK_MAX < longest:
        return (name[0], behind.lower() if store.kind == "bucket" else behind)
    whole = f"{store.stack}{behind}" if store.stack else ""
    return (whole.lower() if store.kind == "bucket" else whole,) if len(whole) + _RANDOM < longest else ()


_STACK_MAX, _RANDOM = 128 + 13, 13
"""Characters that a stack's name has at most, with the random ones at the end, and those alone."""


def _has_no_slash(name: Pattern) -> bool:
    known = [part for part in name if isinstance(part, str | Token)]
    return len(known) == len(name) and not any(
        "/" in part if isinstance(part, str) else token_may_hold(part, "/") for part in known
    )


def _split_at_slash(parts: Pattern) -> tuple[Pattern, Pattern | None]:
    for index, part in enumerate(parts):
        if isinstance(part, str) and "/" in part:
            before, _, after = part.partition("/")
            name = tuple(piece for piece in (*parts[:index], before) if piece != "")
            return name, tuple(piece for piece in (after, *parts[index + 1 :]) if piece != "")
    return parts, None


def _match_open_name(name: Pattern, store: Store, rest: Rest, lookup: Lookup) -> Match:
    """Match a pattern whose wildcard is in the name and that ends there, such as `table/Task*`."""
    value, _ = concat(store.name, lookup)
    if name[-1:] != (Wildcard("*"),):
        return MAYBE if rest is not None else match_string(name, value, lookup)
    found = match_string(name, value, lookup)
    # The final `*` also covers whatever follows; the part before it may match into what follows as well.
    simple = all(part == Wildcard("*") for part in name[len(head_of(name)) :])
    return found if simple or rest is None else Match(TRUE, found.under, found.present)


def _match_name(name: Pattern, store: Store, lookup: Lookup) -> Match:
    if name == store.name:
        return ALWAYS
    written = tuple(part for part in name if isinstance(part, str | Token))
    if len(written) == len(name) and not may_be_named(written, store.name, store.id):
        return NEVER
    value, _ = concat(store.name, lookup)
    return match_string(name, value, lookup)


def other_target(arn: Text, lookup: Lookup) -> Target:
    """Return one concrete or symbolic ARN that belongs to no store, as the target of a call."""
    value, _ = concat(arn, lookup)
    domain = conjunction([token_domain(part) for part in arn if isinstance(part, Token)])

    def match(pattern: Pattern) -> Match:
        return ALWAYS if is_open(pattern) or pattern == arn else match_string(pattern, value, lookup)

    return Target(match, domain)
