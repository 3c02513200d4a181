"""
Key formats: where a task's rows and objects live, with `{tag}` where a session tag goes.

Standard library only. The constructs turn a format into a policy variable, the agent half fills it with the
session's own tags, so that the two cannot disagree.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import SessionTags, is_tag_character, leaves_prefix, require_policy_text

TASK_LEADING_KEY = "{task_id}"

# The reference layout. A format that ends in `/` is a prefix, any other is one exact object.
TRACE_OBJECT = "traces/{user_id}/{task_id}.jsonl.gz"
"""The object that holds a task's trace, as `TenantObjects.traces` grants it."""
TRACE_PREFIX = "traces/{user_id}/{task_id}/"
ATTACHMENT_PREFIX = "attachments/{user_id}/{task_id}/"
"""The prefix of what a user attached to a task, as `TenantObjects.attachments` grants it."""
ARTIFACT_PREFIX = "artifacts/{task_id}/"
"""The prefix of what a task made, as `TenantObjects.artifacts` grants it."""
PAYLOAD_OBJECT = "{task_id}/payload.json"
USER_TRACE_PREFIX = "traces/{user_id}/"
USER_ATTACHMENT_PREFIX = "attachments/{user_id}/"

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_EXAMPLE = "`{task_id}` or `TENANT#{tenant_id}`"


@dataclass(frozen=True)
class KeyFormat:
    """
    One checked key format: literal text with `{tag}` placeholders.

    Build it with `leading_key` or `object_key`, which hold the rules of the two services.

    Attributes:
        text: The format as written.
        tags: The tags it uses, each once, in order of appearance.
        is_path: Whether it names S3 objects, so that no tag's value may hold a step of a path.
    """

    text: str
    tags: tuple[str, ...]
    is_path: bool

    @classmethod
    def leading_key(cls, text: str, tag_keys: Collection[str]) -> "KeyFormat":
        """
        Parse the format of a DynamoDB partition key, or of all keys that begin alike when it ends in `*`.

        Example: `{user_id}#*` is every key that begins with the user's id and `#`.

        Raises:
            InvalidInputError: No tag, an unknown tag, another wildcard, or tags separated from each other or from
                the `*` only by characters that a tag value may hold.
        """
        stem = text.removesuffix("*")
        parsed = cls._parse("leading key format", stem, tag_keys, is_path=False)
        if stem != text and all(map(is_tag_character, _PLACEHOLDER.split(stem)[-1])):
            raise InvalidInputError(
                f"leading key format `{text}` leaves open where its last tag ends",
                got=f"`{_PLACEHOLDER.split(stem)[-1]}*` behind it",
                expected="a separator no tag value can hold before the `*`, such as `#*`",
                why="the keys of tenant `ab` begin like those of tenant `a`",
                fix=f"write the key as `{stem}#*`, or leave the `*` out",
            )
        return replace(parsed, text=text)

    @classmethod
    def object_key(cls, text: str, tag_keys: Collection[str]) -> "KeyFormat":
        """
        Parse the format of an S3 object key, or of a prefix when it ends in `/`.

        Raises:
            InvalidInputError: As `leading_key`; also a leading `/`, an empty or dotted path segment.
        """
        parsed = cls._parse("object key format", text, tag_keys, is_path=True)
        segments = text.removesuffix("/").split("/")
        if any(segment in {"", ".", ".."} for segment in segments) or ".." in text:
            raise InvalidInputError(
                f"object key format `{text}` is not a plain path",
                got="a leading `/`, an empty segment, or `..`",
                expected="segments separated by one `/`, such as `traces/{user_id}/`",
                why="IAM compares keys letter by letter, while readers that join paths leave the prefix",
                fix="remove it",
            )
        return parsed

    @classmethod
    def _parse(cls, what: str, text: str, tag_keys: Collection[str], *, is_path: bool) -> "KeyFormat":
        separators = "/" if is_path else ""
        literals = _PLACEHOLDER.split(text)[::2]
        tags = tuple(dict.fromkeys(_PLACEHOLDER.findall(text)))
        if bad := sorted({character for character in "".join(literals) if character in "*?${}"}):
            raise InvalidInputError(
                f"{what} `{text}` holds {' '.join(f'`{character}`' for character in bad)}",
                got="a wildcard, policy variable or stray brace",
                expected=f"literal text and tags, such as {_EXAMPLE}",
                why="IAM would read it as a pattern that matches other tenants",
                fix="write tags as `{tag}` and leave wildcards out",
            )
        require_policy_text((text,))
        if not tags:
            raise InvalidInputError(
                f"{what} `{text}` names no session tag",
                got="literal text only",
                expected=f"at least one tag, such as {_EXAMPLE}",
                why="every session would reach the same data",
                fix=f"put one of {', '.join(tag_keys)} in braces",
            )
        if unknown := [tag for tag in tags if tag not in tag_keys]:
            raise InvalidInputError(
                f"{what} `{text}` names an unknown tag",
                got=", ".join(f"`{tag}`" for tag in unknown),
                expected=f"one of {', '.join(tag_keys)}",
                why="a policy variable that no session carries matches nothing",
                fix="use a declared tag, or declare it in tag_keys",
            )
        for between in literals[1:-1]:
            if all(is_tag_character(character) and character not in separators for character in between):
                raise InvalidInputError(
                    f"{what} `{text}` has two tags with an ambiguous boundary",
                    got=f"`{between}` between them",
                    expected="a separator no tag value can hold, such as `#`",
                    why="x-y and z would make the same key as x and y-z",
                    fix="part the tags with `#`" + (" or `/`" if separators else ""),
                )
        return cls(text, tags, is_path)

    @property
    def is_prefix(self) -> bool:
        """Whether the format names everything that begins with it (a path ends in `/`, a leading key in `*`)."""
        return self.text.endswith("/" if self.is_path else "*")

    @property
    def operator(self) -> str:
        """How a condition compares with it: `Like` heeds its `*`, and no tag can hold another wildcard."""
        return "Like" if self.is_prefix else "Equals"

    def policy_variables(self) -> str:
        """Return the format with IAM policy variables: `{task_id}` becomes `${aws:PrincipalTag/task_id}`."""
        return _PLACEHOLDER.sub(lambda match: f"${{aws:PrincipalTag/{match[1]}}}", self.text)

    def fill(self, tags: SessionTags) -> str:
        """
        Return the key of one session, or what all its keys begin with.

        Raises:
            InvalidInputError: The session lacks a tag, or an object key would leave its prefix by a tag's value.
        """
        for tag in self.tags:
            self._check_value(tag, tags.get(tag))
        return _PLACEHOLDER.sub(lambda match: tags[match[1]], self.text.removesuffix("*"))

    def _check_value(self, tag: str, value: str | None) -> None:
        if value is None:
            raise InvalidInputError(
                f"key format `{self.text}` cannot be filled",
                got=f"a session without the tag `{tag}`",
                expected=f"a session with {', '.join(self.tags)}",
                why="a key without it would not be one tenant's",
                fix="add the tag to the session",
            )
        if self.is_path and leaves_prefix(value):
            raise InvalidInputError(
                f"session tag `{tag}` would step out of the prefix of `{self.text}`",
                got="a value with `/` or `..`, or `.`",
                expected="a value without them",
                why="it becomes part of an S3 key, and `a/b` would reach into the prefix of `a`",
                fix="use an id without slashes",
            )


def distinguishing_tags(rows: Sequence[frozenset[str]], objects: Sequence[frozenset[str]]) -> frozenset[str]:
    """
    Return the tags that distinguish two tasks; empty when there is no key.

    Those of most leading keys; without tables, those every object key has in common, else the most frequent one.

    Args:
        rows: The tags of each leading key.
        objects: The tags of each object key.
    """
    if rows:
        alike = Counter(sorted(rows, key=sorted))
        return max(alike, key=alike.__getitem__)
    if not objects:
        return frozenset()
    common = frozenset.intersection(*objects)
    if common:
        return common
    count = Counter(tag for tags in objects for tag in sorted(tags))
    return frozenset([max(count, key=count.__getitem__)])


def names_tags(attribute: str | None, tags: Collection[str]) -> bool:
    """
    Whether a table's partition key is called like the tags of a leading key, which says that it is the key meant.

    Letter case, punctuation and endings such as `_id` do not count: `taskId`, `task` and `task_key` all mean `task_id`.
    """
    stems = [_stem(tag) for tag in tags]
    if attribute is None or not all(stems):
        return False
    name = _squeezed(attribute)
    words = sorted({*stems, *_ENDINGS}, key=len, reverse=True)
    return not re.sub("|".join(words), "", name) and all(stem in name for stem in stems)


_ENDINGS = ("id", "key", "pk", "hash")


def _squeezed(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.lower())


def _stem(tag: str) -> str:
    return re.sub(f"(?:{'|'.join(_ENDINGS)})*$", "", _squeezed(tag)) or _squeezed(tag)


def shared_on_purpose(
    rows: Iterable[KeyFormat], objects: Iterable[KeyFormat], tag_keys: Iterable[str], unnamed: Iterable[KeyFormat] = ()
) -> list[str]:
    """
    Return what the Metadata declares as `SHARED_BY`: the tags of every format that does not distinguish two tasks.

    Without a table only the formats say which tags distinguish tasks, and one that lost a tag would be wrong:
    then every format that leaves out one of `tag_keys` is declared. So is a leading key with fewer tags than
    another key, unless the name of the table's partition key says that it is meant; and a leading key that leaves its
    end open, where some tag of a session is in no format.

    Args:
        rows: The formats of leading keys.
        objects: Those of object keys.
        tag_keys: The tags of a session.
        unnamed: Those of `rows` whose table's partition key is not called like their tags, as far as the template says.
    """
    rows, tag_keys = list(rows), list(tag_keys)
    of_rows, of_objects, doubtful = (
        [frozenset(key_format.tags) for key_format in formats] for formats in (rows, objects, unnamed)
    )
    everything = (*of_rows, *of_objects)
    task = distinguishing_tags(of_rows, of_objects) if of_rows else frozenset(tag_keys)
    shared = [tags for tags in everything if not task <= tags]
    shared += [tags for tags in doubtful if any(tags < others for others in everything)]
    if not set(tag_keys) <= frozenset().union(*everything):
        shared += [frozenset(key_format.tags) for key_format in rows if key_format.is_prefix]
    return sorted({",".join(sorted(tags)) for tags in shared})
