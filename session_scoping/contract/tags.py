"""
Session tags: the limits STS sets, the keys both halves agree on, and `SessionTags`, the parsed form.

Standard library only: the constructs and the agent image import the same module.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import TypedDict

from session_scoping.contract.errors import InvalidInputError

DEFAULT_TAG_KEYS = ("user_id", "repo", "task_id")
"""The tags that a session carries where a role declares no others: its user, its repository, its task."""

OBJECT_KEY_TAGS = frozenset({"user_id", "task_id"})
"""Default tags whose value becomes part of an S3 object key, where `/` would reach into another prefix."""

POD_IDENTITY_TAGS = (
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
)
"""Transitive tags on every session EKS Pod Identity makes. Source: EKS guide, pod-id-abac."""

# Source of the four limits: STS API_Tag and API_AssumeRole (botocore's STS model carries the same numbers).
TAGS_MAX = 50
TAG_KEY_MAX = 128
TAG_VALUE_MAX = 256
_PUNCTUATION = frozenset("_.:/=+-@")


class StsTag(TypedDict):
    """One tag in the shape STS takes it."""

    Key: str
    Value: str


def is_tag_character(character: str) -> bool:
    r"""Whether STS lets a tag hold it: `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, so never `*`, `?`, `$` or `#`."""
    return character in _PUNCTUATION or unicodedata.category(character)[0] in "LZN"


def leaves_prefix(value: str) -> bool:
    """Whether a tag value, as part of an S3 object key, would reach into another prefix: `/`, `..` or `.`."""
    return "/" in value or ".." in value or value == "."


def parse_tag_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """
    Return the tag keys as a tuple, in the order given, or refuse them.

    Args:
        keys: 1 to 50 tag keys of 1 to 128 characters each.

    Raises:
        InvalidInputError: A key breaks STS's rules, is reserved, or equals another one ignoring case.

    Source:
        STS API_Tag; IAM id_session-tags (keys compare case-insensitively, values do not).
    """
    if isinstance(keys, str):
        raise InvalidInputError(
            "tag keys are one string",
            got=f"`{keys}`",
            expected="a sequence of keys",
            why="each character would become a tag of its own",
            fix=f"pass [`{keys}`]",
        )
    # A member of `class T(str, Enum)` formats as its name, not as its text.
    parsed = tuple(str.__str__(key) if isinstance(key, str) else key for key in keys)
    if not 1 <= len(parsed) <= TAGS_MAX:
        raise InvalidInputError(
            "the number of tag keys is out of range",
            got=f"{len(parsed)} keys",
            expected=f"1 to {TAGS_MAX}",
            why="sessions without tags are not isolated, and STS takes no more",
            fix="name the tags that tell one task from another",
        )
    seen: dict[str, str] = {}
    for key in parsed:
        _check_key(key)
        if other := seen.get(key.casefold()):
            raise InvalidInputError(
                f"tag key `{key}` collides with `{other}`",
                got="two keys equal but for their case" if key != other else "the same key twice",
                expected="keys that differ ignoring case",
                why="STS compares tag keys case-insensitively, so one value would replace the other",
                fix="rename one of them",
            )
        seen[key.casefold()] = key
    return parsed


def require_policy_text(texts: tuple[str, ...]) -> tuple[str, ...]:
    """
    Return the texts, or refuse what a policy document cannot hold although a tag can.

    Raises:
        InvalidInputError: A character above U+00FF.

    Source:
        IAM API, policyDocumentType: characters up to U+00FF.
    """
    if bad := [text for text in texts if any(ord(character) > 0xFF for character in text)]:
        raise InvalidInputError(
            f"{bad[0]!r} cannot be written in a policy",
            got="a character above U+00FF",
            expected="characters up to U+00FF",
            why="IAM refuses the policy at deployment",
            fix="use plain letters",
        )
    return texts


def _check_key(key: str) -> None:
    if not isinstance(key, str) or not 1 <= len(key) <= TAG_KEY_MAX:
        raise InvalidInputError(
            "a tag key has a length STS refuses",
            got=f"{len(key)} characters" if isinstance(key, str) else f"a {type(key).__name__}",
            expected=f"text of 1 to {TAG_KEY_MAX} characters",
            why="no session could be minted with it",
            fix="use a short name such as `task_id`",
        )
    if bad := sorted({character for character in key if not is_tag_character(character)}):
        raise InvalidInputError(
            f"tag key {key!r} holds a character STS refuses",
            got=" ".join(map(repr, bad)),
            expected="letters, digits, spaces and _ . : / = + - @",
            why="no session could be minted with it",
            fix="use a plain name such as `task_id`",
        )
    if key.casefold().startswith("aws:"):
        raise InvalidInputError(
            f"tag key `{key}` is reserved",
            got="the prefix `aws:`",
            expected="a key of your own",
            why="STS refuses tags in the aws: namespace",
            fix="drop the prefix",
        )


class SessionTags(Mapping[str, str]):
    """
    The tags of one session, checked once; the only form in which tags reach STS or a key.

    `SessionTags(user_id="u-1", repo="org/name", task_id="T1")`; any other set of keys works the same way.
    Immutable and hashable. The repr shows keys only, so that a log or traceback never holds a tenant id.

    Args:
        tags: One keyword per tag: value of 1 to 256 characters that STS accepts. Values are never shortened,
            because two ids cut to the same text would be one tenant to IAM.

    Raises:
        InvalidInputError: There is no tag, or a key or value breaks STS's rules, or a value of `user_id` or
            `task_id`, which become part of an object key, holds `/` or `..`.

    Source:
        STS API_Tag. An empty value is legal to STS and refused here: it names nobody.
    """

    __slots__ = ("_values",)
    _values: dict[str, str]

    def __init__(self, /, **tags: str) -> None:
        parse_tag_keys(tags)
        for key, value in tags.items():
            _check_value(key, value)
        object.__setattr__(self, "_values", dict(tags))

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("SessionTags is immutable: build another one")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (dict(self._values),)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        # Where construction was refused there are no values, and a debugger shows the object all the same.
        return f"SessionTags({', '.join(f'{key}=…' for key in getattr(self, '_values', ()))})"

    def for_sts(self) -> list[StsTag]:
        """Return the tags in the shape of the `Tags` parameter of AssumeRole."""
        return [StsTag(Key=key, Value=value) for key, value in self._values.items()]


def _rebuild(values: dict[str, str]) -> SessionTags:
    """Make tags from a copy or a pickle, through the same checks: bytes that came from elsewhere are input."""
    return SessionTags(**values)


def _check_value(key: str, value: str) -> None:
    if not isinstance(value, str) or not 1 <= len(value) <= TAG_VALUE_MAX:
        raise InvalidInputError(
            f"session tag `{key}` has a length that cannot name one tenant",
            got=f"{len(value)} characters" if isinstance(value, str) else f"a {type(value).__name__}",
            expected=f"text of 1 to {TAG_VALUE_MAX} characters",
            why="an empty id names nobody and a cut-off id could name another tenant",
            fix="pass a short stable id",
        )
    if any(not is_tag_character(character) for character in value):
        raise InvalidInputError(
            f"session tag `{key}` holds a character STS refuses",
            got="a character outside the allowed set",
            expected="letters, digits, spaces and _ . : / = + - @",
            why="STS would refuse every session of this task",
            fix="encode the id, for example with a UUID or a hexadecimal digest",
        )
    if key in OBJECT_KEY_TAGS and leaves_prefix(value):
        raise InvalidInputError(
            f"session tag `{key}` would step out of its object prefix",
            got="a value with `/` or `..`, or `.`",
            expected="a value without them",
            why="it becomes part of an S3 key, and `a/b` would reach into the prefix of `a`",
            fix="use an id without slashes",
        )
