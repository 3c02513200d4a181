"""Whether names and ARNs that are spelled differently may still be the same, or are so for sure. Works without z3."""

import re

from session_scoping.verify.patterns.matching import split_fields
from session_scoping.verify.patterns.text import (
    OPEN,
    PARTITIONS,
    Pattern,
    Text,
    Token,
    Variable,
    Wildcard,
    join_text,
    lit,
    never_equal,
)
from session_scoping.verify.policies.model import Store

CDK_EXPORT = re.compile(r"[:.](ExportsOutput|PublishOutput)(Ref|FnGetAtt)")
"""An export that CDK itself makes for a cross-stack reference: the Ref or an attribute of one resource."""
_GENERATED = {"table", "bucket", "role", "key", "function"}
"""Kinds of tokens that are names CloudFormation makes up. Two resources never share one."""
_PLACES = {"account", "region", "partition"}
"""Kinds of tokens no generated name ends in."""
_SHARED_LENGTH = 20
"""How much of its logical id a generated name holds at least; CloudFormation cuts both off."""
_RANDOM = "[a-z0-9]{8,}"
"""How a generated name ends, in lower case. Source: CloudFormation guide, "Name type": `stack-id-1ABCDEFGHIJKL`."""


def is_generated(name: Text, identifier: str) -> bool:
    """Whether a resource's name is the one CloudFormation makes up for it, which holds its logical id."""
    return len(name) == 1 and isinstance(name[0], Token) and name[0].name == identifier


def may_be_named(text: Text, name: Text, identifier: str) -> bool:
    """Whether a text, written where a name stands, may be the name of the resource with this stack and logical id."""
    text, name = _folded(text), _folded(name)
    if text == name:
        return True
    if is_bucket_by_condition(text) and is_bucket_by_condition(name):
        return False  # the name of another bucket, whichever of its names each has: no two have one name
    if any(isinstance(part, Token) and part.kind in OPEN for part in text):
        return not never_equal(text, name)
    if len(text) == 1 and is_made_up(text):
        return False  # the name of another resource
    if is_generated(name, identifier):
        return _may_be_made_up_from(text, identifier.rpartition(".")[2][:_SHARED_LENGTH].lower())
    return not never_equal(text, name)


def is_bucket_by_condition(name: Text) -> bool:
    """Whether a name is that of one bucket of a template, which has one of several names."""
    first = name[0] if len(name) == 1 else ""
    return isinstance(first, Token) and first.kind == "chosen" and first.name.endswith(".BucketName")


def _may_be_made_up_from(text: Text, logical_id: str) -> bool:
    """Whether a text may be a name CloudFormation made up, which holds the logical id and ends in random letters."""
    last = text[-1] if text else ""
    if isinstance(last, str):
        return re.search(f"{re.escape(logical_id)}[a-z0-9]*-{_RANDOM}$", last) is not None
    return last.kind not in _PLACES and any(logical_id in part for part in text if isinstance(part, str))


def same_account(one: str, two: str) -> bool | None:
    """Whether two stacks, known by their account and Region, share an account; None when that is open."""
    ours, theirs = (name.rpartition("/")[0] for name in (one, two))
    known = ours[-1:].isdigit() and theirs[-1:].isdigit()
    if one == two or (known and ours == theirs):
        return True
    return False if known else None


def _folded(text: Text) -> Text:
    # Two roles may not differ in letter case alone. Source: IAM guide, reference_iam-quotas, "IAM name requirements".
    return tuple(part.lower() if isinstance(part, str) else part for part in text)


def is_made_up(text: Pattern) -> bool:
    """Whether a part of a text is a name that CloudFormation makes up in a stack that is read."""
    return any(isinstance(part, Token) and part.kind in _GENERATED for part in text)


def is_import(text: Pattern) -> bool:
    """Whether a text is, or begins with, what another stack exports, one value that says nothing of its parts."""
    ends = len(text) == 1 or (len(text) > 1 and isinstance(text[1], str) and text[1].startswith("/"))
    return ends and isinstance(text[0], Token) and CDK_EXPORT.search(text[0].name) is not None


def from_one_resource(one: Pattern, two: Pattern) -> bool:
    """Whether two imports are attributes of one resource: CDK's exports hold its id, the attribute and a hash."""
    return is_import(one) and is_import(two) and _exporting(one[0]) == _exporting(two[0])


def _exporting(token: object) -> str:
    name = token.name if isinstance(token, Token) else ""
    return re.sub(r"(StreamArn|Arn)?[0-9A-F]{8}$", "", CDK_EXPORT.sub(":", name.partition("@")[0]))


def in_this_partition(text: Text, partition: Token) -> Text:
    """
    Return an ARN with its literal partition as the one that is deployed to.

    Source:
        IAM refuses a policy whose ARNs name another partition with `MalformedPolicyDocument`.
    """
    head = text[0] if text and isinstance(text[0], str) else ""
    name = head.removeprefix("arn:").partition(":")[0]
    if name not in PARTITIONS or not head.startswith(f"arn:{name}:"):
        return text
    return join_text(lit("arn:"), (partition,), lit(head.removeprefix(f"arn:{name}")), text[1:])


def fields_may_agree(one: Pattern, two: Pattern) -> bool:
    """Whether partition, Region or account of a pattern and of an ARN may be the same."""
    if one == two or any(isinstance(part, Wildcard) for part in one):
        return True
    return not all(isinstance(part, str) for part in (*one, *two))


def is_account(text: Text) -> bool:
    """Whether a principal is a whole account, by its id or its root."""
    literal = "".join(part for part in text if isinstance(part, str))
    only_account = len(text) == 1 and isinstance(text[0], Token) and text[0].kind == "account"
    return literal.endswith(":root") or literal.isdigit() or only_account


def role_name_in(arn: Text) -> Text | None:
    """Return the name of the role whose ARN, or whose session's ARN, this is; None when it is neither."""
    fields = split_fields(arn)
    if len(fields) != 6 or not fields[5] or not isinstance(fields[5][0], str):
        return None
    kind, slash, rest = fields[5][0].partition("/")
    if not slash or kind not in {"role", "assumed-role"}:
        return None
    path = _pieces((rest, *fields[5][1:]))
    return path[-1] if kind == "role" else path[0]


def _pieces(parts: Pattern) -> list[Text]:
    """Split text at its literal slashes."""
    found: list[list[str | Token]] = [[]]
    for part in parts:
        first, *more = part.split("/") if isinstance(part, str) else (part,)
        found[-1] += [first] if first != "" and isinstance(first, str | Token) else []
        for piece in more:
            found.append([piece] if piece else [])
    return [tuple(piece) for piece in found]


def is_open(pattern: Pattern) -> bool:
    """Whether a pattern is `*` and so matches everything."""
    return bool(pattern) and all(part == Wildcard("*") for part in pattern)


def strip(pattern: Pattern, text: Text) -> Pattern | None:
    """Return what is left of a pattern after exactly `text`, or None when it does not begin with it."""
    rest = list(pattern)
    for part in text:
        if not rest:
            return None
        if isinstance(part, Token):
            if rest[0] != part:
                return None
            rest.pop(0)
            continue
        if not isinstance(rest[0], str) or not rest[0].startswith(part):
            return None
        remainder = rest[0][len(part) :]
        rest[0:1] = [remainder] if remainder else []
    return tuple(rest)


def suffix_after_arn(pattern: Pattern, store: Store) -> Pattern | None:
    """
    Return what follows a store's ARN in a pattern that may mean this store, however partition, Region and account are
    spelled; None when it means another one.
    """
    left = strip(pattern, store.arn)
    ours, theirs = split_fields(pattern), split_fields(store.arn)
    if left is not None or len(ours) != 6 or len(theirs) != 6:
        return left
    if ours[2] != theirs[2] or not all(fields_may_agree(ours[i], theirs[i]) for i in (1, 3, 4)):
        return None
    return strip(ours[5], theirs[5])  # type: ignore[arg-type]


def of_another_service(pattern: Pattern, service: str) -> bool:
    """
    Whether a pattern matches no ARN of a service, whatever is filled in: it spells another one out.

    A wildcard before the service, or a value that may hold a colon, could reach past it.
    """
    fields = split_fields(pattern)
    if len(fields) != 6 or fields[0] != ("arn",):
        return False
    here = all(isinstance(part, str) or (isinstance(part, Token) and part.kind == "partition") for part in fields[1])
    return here and len(fields[2]) == 1 and isinstance(fields[2][0], str) and fields[2][0] != service


_WILD = {"*": "\ue000", "?": "\ue001"}


def _render(pattern: Pattern) -> str:
    """Return a pattern as text in which wildcards and variables are characters of their own."""
    pieces: list[str] = []
    for part in pattern:
        if isinstance(part, Wildcard):
            pieces.append(_WILD[part.symbol])
        elif isinstance(part, Variable):
            pieces.append(f"\ue002{part.key}\ue003")
        elif isinstance(part, Token):
            pieces.append(f"\ue004{part.name}\ue005")
        else:
            pieces.append(part)
    return "".join(pieces)


def covers(wide: Pattern, narrow: Pattern) -> bool:
    """Whether everything `narrow` matches is matched by `wide`, as far as the shapes tell."""
    pieces: list[str] = []
    for part in wide:
        if isinstance(part, Wildcard):
            pieces.append(".*" if part.symbol == "*" else "[^\ue000-\ue005]")
        else:
            pieces.append(re.escape(_render((part,))))
    return re.fullmatch("".join(pieces), _render(narrow), re.DOTALL) is not None


def disjoint(one: Pattern, two: Pattern) -> bool:
    """Whether two patterns surely have no ARN in common, because their literal beginnings or ends differ."""
    head = min(len(beginning(one)), len(beginning(two)))
    tail = min(len(_end(one)), len(_end(two)))
    if beginning(one)[:head] != beginning(two)[:head]:
        return True
    return tail > 0 and _end(one)[-tail:] != _end(two)[-tail:]


def beginning(pattern: Pattern) -> str:
    """Return the literal text a pattern begins with."""
    return pattern[0] if pattern and isinstance(pattern[0], str) else ""


def _end(pattern: Pattern) -> str:
    return pattern[-1] if pattern and isinstance(pattern[-1], str) else ""
