"""Tenant secrets and parameters: which names a session reaches, and the guards around them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar

import aws_cdk as cdk

from session_scoping.constructs.cdk.stack_context import StackContext
from session_scoping.constructs.data.access import (
    LIST_PARAMETERS,
    PARAMETER_ACCESS,
    SECRET_ACCESS,
    actions_for,
    as_words,
    require_attribute,
)
from session_scoping.constructs.data.object_overlap import may_meet
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.key_formats import KeyFormat


@dataclass(frozen=True)
class NameKind:
    """
    A kind of resource that a session reaches by its name: all that the statements depend on.

    Attributes:
        plural: What the resources are called.
        service: Service, in ARNs and actions.
        head: What is before the name in an ARN.
        ending: What AWS puts behind the name in an ARN.
        characters: What a name may be made of.
        access: The access words.
        context: Key of the encryption context that holds the ARN.
        key_actions: KMS actions of reading, and of writing.
        by_services: Whether AWS services read it on a session's behalf, by grants that are not ours to deny.
    """

    plural: str
    service: str
    head: str
    ending: str
    characters: str
    access: Mapping[str, tuple[str, ...]]
    context: str
    key_actions: tuple[tuple[str, ...], tuple[str, ...]]
    by_services: bool = False


# Sources: Secrets Manager guide, whats-in-a-secret (the ARN ends in `-` and six random characters) and
# security-encryption (KMS actions; encryption context); API_CreateSecret (characters of a name).
SECRETS = NameKind(
    plural="secrets",
    service="secretsmanager",
    head="secret:",
    ending="-??????",
    characters="A-Za-z0-9/_+=.@-",
    access=SECRET_ACCESS,
    context="SecretARN",
    key_actions=(("kms:Decrypt",), ("kms:Decrypt", "kms:GenerateDataKey")),
    by_services=True,
)

# Sources: Systems Manager guide, sysman-paramstore-access (the ARN holds the name without its leading `/`); API
# PutParameter (characters of a name); KMS guide, services-parameter-store (advanced parameters use data keys).
PARAMETERS = NameKind(
    plural="parameters",
    service="ssm",
    head="parameter/",
    ending="",
    characters="A-Za-z0-9/_.-",
    access=PARAMETER_ACCESS,
    context="PARAMETER_ARN",
    key_actions=(("kms:Decrypt",), ("kms:Encrypt", "kms:GenerateDataKey")),
)


@dataclass(frozen=True)
class _TenantNames:
    names: Sequence[str]
    access: str | Sequence[str] = "get"
    encryption_key: cdk.aws_kms.IKey | None = None
    _kind: ClassVar[NameKind]

    def __post_init__(self) -> None:
        for name in ("names", "access"):
            object.__setattr__(self, name, as_words(getattr(self, name), name))

    def bind(self, context: StackContext, tag_keys: Sequence[str]) -> BoundNames:
        """
        Check the entry against the tag keys.

        Raises:
            InvalidInputError: Unknown access word, no name format, one that cannot isolate or that begins with a tag,
                or a list of an exact name.
        """
        kind, what = self._kind, f"tenant {self._kind.plural}"
        if isinstance(self.names, str) or not self.names:
            raise InvalidInputError(
                f"the name formats of {what} are not a list",
                got=f"`{self.names}`" if self.names else "none",
                expected='a sequence of formats, such as ["agents/{user_id}/"]',
                why="without a format there is nothing to allow",
                fix=f"pass a list, or leave the {kind.plural} out",
            )
        actions = actions_for(self.access, kind.access, what)
        formats = tuple(_name_format(name, kind, tag_keys) for name in self.names)
        if LIST_PARAMETERS in actions and (exact := [one.text for one in formats if not one.is_prefix]):
            raise InvalidInputError(
                "`list` is given for an exact parameter name",
                got=", ".join(f"`{text}`" for text in exact),
                expected="prefixes, which end in `/`",
                why="only what lies below a path can be listed",
                fix="give the exact names an entry of their own, without `list`",
            )
        if (key := self.encryption_key) is not None:
            require_attribute(key, "key_arn", what="an encryption key", example='Key(self, "Key")')
        return BoundNames(kind, formats, actions, key.key_arn if key else None, context)


class TenantSecrets(_TenantNames):
    """
    Secrets of this account and Region that belong to a session by their names, and what it may do with them.

    `BatchGetSecretValue` and `ListSecrets` are not granted: IAM limits neither to names.

    NOT PROTECTED: a secret's own policy may admit others; and under a later Allow of `secretsmanager:*`, what other
    services read on the session's behalf.

    Args:
        names: Name formats: a prefix when it ends in `/`, else one exact name. Every format begins with literal text
            and names a session tag.
        access: Access words, see `access.SECRET_ACCESS`. Default: `get`.
        encryption_key: Customer-managed key of the secrets. Default: they are under the account's `aws/secretsmanager`,
            which needs no permission.
    """

    _kind = SECRETS


class TenantParameters(_TenantNames):
    """
    Parameters of this account and Region that belong to a session by their names, and what it may do with them.

    `DescribeParameters` is not granted, and denied to a colleague's grant: it shows the names of all parameters.

    Args:
        names: Name formats with or without the leading `/`: a path when it ends in `/`, else one exact name. Every
            format begins with literal text and names a session tag.
        access: Access words, see `access.PARAMETER_ACCESS`; `list` is GetParametersByPath, which answers with all that
            lies below a path, values included. Default: `get`.
        encryption_key: Customer-managed key of SecureString parameters. Default: they are under the account's
            `aws/ssm`, which needs no permission.
    """

    _kind = PARAMETERS


def _name_format(name: str, kind: NameKind, tag_keys: Sequence[str]) -> KeyFormat:
    # A parameter's ARN is the same with and without the leading slash.
    parsed = KeyFormat.object_key(name.removeprefix("/") if kind is PARAMETERS else name, tag_keys)
    literal = "".join(re.split(r"\{[^{}]*\}", parsed.text))
    if parsed.text.startswith("{"):
        raise InvalidInputError(
            f"the name format `{name}` begins with a tag",
            got="no literal text before it",
            expected='a name that begins alike for all tenants, such as "agents/{user_id}/"',
            why=f"all {kind.plural} of the account are in one place, so a tenant could be called like another app",
            fix="put a literal segment first",
        )
    if not re.fullmatch(f"[{kind.characters}]*", literal):
        raise InvalidInputError(
            f"the name format `{name}` names no {kind.plural.removesuffix('s')}",
            got="a character that a name cannot hold",
            expected="letters, digits and " + " ".join(kind.characters.removeprefix("A-Za-z0-9")),
            why="the session would be allowed what cannot exist",
            fix="write the name as it is created",
        )
    return parsed


@dataclass(frozen=True)
class BoundNames:
    """Tenant secrets or parameters as the statements need them: plain strings, some of them CDK tokens."""

    kind: NameKind
    formats: tuple[KeyFormat, ...]
    actions: tuple[str, ...]
    kms_key_arn: str | None
    context: StackContext

    @property
    def arns(self) -> list[str]:
        """The ARNs of the session's own."""
        return [arn for one in self.formats for arn in self._arns(one.policy_variables(), one)]

    @property
    def all_arns(self) -> list[str]:
        """The ARNs of every session's own, in every Region: a replica of a secret is the same secret."""
        return [arn for one in self.formats for arn in self._arns(_of_all(one), one, region="*")]

    @property
    def paths_above(self) -> list[str]:
        """
        The ARNs of the paths that every session's own are below, in both spellings.

        Source: Systems Manager API, GetParametersByPath: who may read a path may read all levels of it, also those
        that a policy denies.
        """
        parents = [_of_all(one).split("/")[:-1] for one in self.formats]
        paths = dict.fromkeys("/".join(parent[:depth]) for parent in parents for depth in range(len(parent) + 1))
        spellings = dict.fromkeys(spelling for path in paths for spelling in (path, f"{path}/".lstrip("/")))
        return [self.context.arn(self.kind.service, f"{self.kind.head}{path}", region="*") for path in spellings]

    @property
    def tags(self) -> list[str]:
        """The tags that the names use."""
        return [*dict.fromkeys(tag for one in self.formats for tag in one.tags)]

    def _arns(self, name: str, key_format: KeyFormat, region: str | None = None) -> list[str]:
        found = [f"{name}*" if key_format.is_prefix else f"{name}{self.kind.ending}"]
        # GetParametersByPath is authorized on the path as the caller writes it, with the last slash or without.
        found += [name.removesuffix("/")] if LIST_PARAMETERS in self.actions else []
        return [self.context.arn(self.kind.service, f"{self.kind.head}{one}", region=region) for one in found]


def _of_all(key_format: KeyFormat) -> str:
    return re.sub(r"\{[^{}]*\}", "*", key_format.text)


def check_disjoint_names(entries: Sequence[BoundNames]) -> None:
    """
    Refuse two formats of one kind that meet under different sessions.

    Raises:
        InvalidInputError: Two formats can name the same secret or parameter for different sessions.
    """
    formats = [(entry.kind, key_format) for entry in entries for key_format in entry.formats]
    for (kind, one), (other_kind, other) in combinations(formats, 2):
        if kind is other_kind and may_meet(one, other):
            raise InvalidInputError(
                f"name formats `{one.text}` and `{other.text}` can name the same {kind.plural.removesuffix('s')}",
                got="both for one role",
                expected="formats that differ in literal text, or use the same tags at the same place",
                why="a session whose tag equals the other format's text would reach another session's",
                fix="begin them with different literal segments",
            )
