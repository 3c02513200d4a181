"""Bedrock models: one builder for every role, never `Resource: "*"`."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from constructs import IConstruct

from session_scoping.aws.bedrock import INVOKE_ACTIONS
from session_scoping.constructs.cdk.documents import Section
from session_scoping.constructs.cdk.stack_context import StackContext, has_wildcard, is_token
from session_scoping.constructs.cdk.statements import Conditions, Statement, allow, merge
from session_scoping.constructs.data.access import as_texts
from session_scoping.contract.errors import InvalidInputError

# Source: Bedrock guide, inference-profiles-support. `global` routes to every commercial Region.
# AWS adds to them: `Models.profile(..., unlisted=True)` takes one that is missing here.
GEOGRAPHIES = ("us", "eu", "apac", "ca", "jp", "au", "us-gov", "global")
PROFILE_ARN = "bedrock:InferenceProfileArn"

_MODEL_ID = re.compile(r"[a-z0-9-]+\.[a-z0-9][a-z0-9.-]*(:[a-z0-9]+){0,2}")
_GEOGRAPHY = r"[a-z]{2,}(-[a-z]+)*"
_APPLICATION_PROFILE = re.compile(r"arn:[^:*?]+:bedrock:[^:*?]+:\d{12}:application-inference-profile/[^:*?/]+")


@dataclass(frozen=True)
class _ModelAccess:
    """One model, and the one way to it: a geographic profile, an application profile, or the Region itself."""

    model_id: str
    geography: str | None = None
    application_profile: str | None = None

    def profile_arn(self, context: StackContext) -> str | None:
        if self.geography:
            return context.arn("bedrock", f"inference-profile/{self.geography}.{self.model_id}")
        return self.application_profile

    def fence(self, context: StackContext) -> str:
        """Return the ARN, or the pattern, of the profiles the model may be reached through."""
        if self.geography:
            return context.arn("bedrock", f"inference-profile/{self.geography}.*")
        return str(self.application_profile)

    def model_arn(self, context: StackContext) -> str:
        # A geographic profile routes to many Regions; `*` for them is the documented form, and the condition keeps
        # the bare model out of reach (Bedrock guide, inference-profiles-prereq).
        direct = self.geography == "global" or not (self.geography or self.application_profile)
        region = context.region if direct else "*"
        return context.arn("bedrock", f"foundation-model/{self.model_id}", region=region, account="")


@dataclass(frozen=True)
class Models:
    """
    The Bedrock models a role may invoke. Combine several kinds with `+`.

    Build it with `profile`, `in_region`, `application_profile` or `from_context`.
    """

    _entries: tuple[_ModelAccess, ...]

    @classmethod
    def profile(cls, geography: str, model_ids: Sequence[str], *, unlisted: bool = False) -> "Models":
        """
        Return models reached through a geography's system-defined inference profile.

        Args:
            geography: One of `GEOGRAPHIES`: us, eu, apac, ca, jp, au, us-gov, global.
            model_ids: Foundation model ids without the geography, such as `anthropic.claude-sonnet-4-6`.
            unlisted: Whether a geography that this library does not list is taken at its word. Default: it is refused.

        Raises:
            InvalidInputError: Unknown geography, no model, a bad id, or the same id twice.
        """
        if geography not in GEOGRAPHIES and not (unlisted and re.fullmatch(_GEOGRAPHY, geography)):
            raise InvalidInputError(
                "unknown geography of inference profiles",
                got=f"`{geography}`",
                expected="small letters, with `-` between parts" if unlisted else f"one of {', '.join(GEOGRAPHIES)}",
                why="a profile that does not exist is denied only when the agent first calls it",
                fix="choose a geography; pass unlisted=True for one that AWS has added since; or use Models.in_region "
                "for the stack's own Region",
            )
        return cls(tuple(_ModelAccess(model_id, geography) for model_id in _checked(as_texts(model_ids, "model_ids"))))

    @classmethod
    def in_region(cls, model_ids: Sequence[str]) -> "Models":
        """
        Return models invoked directly in the stack's Region.

        Raises:
            InvalidInputError: No model, a bad id, or the same id twice.
        """
        return cls(tuple(_ModelAccess(model_id) for model_id in _checked(as_texts(model_ids, "model_ids"))))

    @classmethod
    def application_profile(cls, profile_arn: str, model_ids: Sequence[str]) -> "Models":
        """
        Return models reached through one application inference profile.

        Args:
            profile_arn: The profile's exact ARN, or a CDK token of it.
            model_ids: The foundation models the profile routes to.

        Raises:
            InvalidInputError: An ARN with a wildcard or of another kind, no model, a bad id, or one id twice.
        """
        if has_wildcard(profile_arn) or not (is_token(profile_arn) or _APPLICATION_PROFILE.fullmatch(profile_arn)):
            raise InvalidInputError(
                "that is no application inference profile",
                got=f"`{profile_arn}`",
                expected="arn:<partition>:bedrock:<region>:<account>:application-inference-profile/<id>",
                why="a wildcard or another resource would open models nobody chose",
                fix="pass the profile's exact ARN",
            )
        entries = (_ModelAccess(model_id, application_profile=profile_arn) for model_id in _checked(model_ids))
        return cls(tuple(entries))

    @classmethod
    def from_context(cls, scope: IConstruct, *, model_ids: Sequence[str], geography: str) -> "Models":
        """
        Return `profile(geography, model_ids)`, each replaced by context where it is given.

        Args:
            scope: Where context is looked up.
            model_ids: Default of context `bedrockModels`: a list, or on the command line a JSON list or ids
                separated by commas.
            geography: Default of context `bedrockGeo`.
        """
        given: Any = scope.node.try_get_context("bedrockModels")
        chosen = scope.node.try_get_context("bedrockGeo")
        ids = model_ids if given is None else _context_list(given)
        return cls.profile(geography if chosen is None else str(chosen), ids)

    def __add__(self, other: "Models") -> "Models":
        """Return both sets of models."""
        return Models(tuple(dict.fromkeys(self._entries + other._entries)))

    def sections(self, context: StackContext, *conditions: Conditions) -> list[Section]:
        """
        Return the Allows: each profile, and its models only through that profile.

        Args:
            context: The role's stack.
            conditions: What every statement requires in addition to the profile condition.
        """
        base = merge(*conditions)
        kinds: dict[tuple[bool, bool], list[_ModelAccess]] = {}
        for entry in self._entries:
            through_profile = bool(entry.geography or entry.application_profile)
            kinds.setdefault((through_profile, entry.geography == "global"), []).append(entry)
        return [
            Section(entries, _renderer(context, base, through_profile=through_profile, worldwide=worldwide))
            for (through_profile, worldwide), entries in kinds.items()
        ]


def _renderer(context: StackContext, base: Conditions, *, through_profile: bool, worldwide: bool) -> Any:
    suffix = "Global" if worldwide else ""

    def render(entries: Sequence[_ModelAccess]) -> list[Statement]:
        models = list(dict.fromkeys(entry.model_arn(context) for entry in entries))
        if not through_profile:
            return [allow("RegionalModels", INVOKE_ACTIONS, models, base)]
        profiles = list(dict.fromkeys(arn for entry in entries if (arn := entry.profile_arn(context))))
        # A geography's profile routes to the model in its own name and to no other, and is allowed by itself above:
        # the fence need not say each of them again (Bedrock guide, inference-profiles-support).
        fence = list(dict.fromkeys(entry.fence(context) for entry in entries))
        by_profile: Conditions = {"ArnLike": {PROFILE_ARN: fence if len(fence) > 1 else fence[0]}}
        statements = [
            allow(f"Profiles{suffix}", INVOKE_ACTIONS, profiles, base),
            allow(f"Models{suffix}", INVOKE_ACTIONS, models, by_profile, base),
        ]
        if worldwide:
            # Source: Bedrock guide, global-cross-region-inference: the routed request has no Region.
            nowhere: Conditions = {**by_profile, "StringEquals": {"aws:RequestedRegion": "unspecified"}}
            anywhere = [
                context.arn("bedrock", f"foundation-model/{entry.model_id}", region="", account="") for entry in entries
            ]
            statements.append(allow("ModelsWorldwide", INVOKE_ACTIONS, anywhere, nowhere, base))
        return statements

    return render


def _context_list(given: Any) -> list[str]:
    if isinstance(given, str):
        text = given.strip()
        try:
            given = json.loads(text) if text.startswith("[") else [part.strip() for part in text.split(",")]
        except json.JSONDecodeError:
            given = [text]
    return [str(part) for part in given] if isinstance(given, list) else [str(given)]


def _checked(model_ids: Sequence[str]) -> Sequence[str]:
    ids = [model_ids] if isinstance(model_ids, str) else list(model_ids)
    if not ids:
        raise InvalidInputError(
            "the list of models is empty",
            got="no model id",
            expected="at least one",
            why="IAM has no statement without a resource, and the agent could call nothing",
            fix="name the models, or leave `models` out",
        )
    for model_id in ids:
        head = model_id.partition(".")[0]
        # No provider's name has two letters; a geography that is new to GEOGRAPHIES has.
        geography = head if head in GEOGRAPHIES or (len(head) == 2 and head.isalpha()) else None
        if geography:
            raise InvalidInputError(
                f"model id `{model_id}` carries a geography",
                got=f"the prefix `{geography}.`",
                expected=f"`{model_id.removeprefix(f'{geography}.')}`",
                why="the profile and the model behind it are two resources, and both must be allowed",
                fix=f'use Models.profile("{geography}", ["{model_id.removeprefix(f"{geography}.")}"])',
            )
        if not _MODEL_ID.fullmatch(model_id):
            raise InvalidInputError(
                f"`{model_id}` is no foundation model id",
                got="text of another form",
                expected="<provider>.<model>, such as `anthropic.claude-sonnet-4-6`",
                why="a wildcard would open models nobody chose, and a wrong id fails only when called",
                fix="copy the id from the Bedrock console's model catalogue",
            )
    if repeated := sorted({model_id for model_id in ids if ids.count(model_id) > 1}):
        raise InvalidInputError(
            "a model is listed twice",
            got=", ".join(f"`{model_id}`" for model_id in repeated),
            expected="each id once",
            why="a repeated id usually hides a missing one",
            fix="remove the repetition",
        )
    return ids
