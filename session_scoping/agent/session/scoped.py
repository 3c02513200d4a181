"""
A session that narrows itself: GetScopedCredentials, signed with its own credentials, for fewer rights or less time.

Sources: STS API_GetScopedCredentials; IAM guide, id_credentials_temp_control-access_getscopedcredentials; botocore
1.44.8's model of STS, which has the limits.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import botocore.session
from botocore import __version__ as botocore_version
from botocore.credentials import CredentialResolver, ReadOnlyCredentials

from session_scoping.agent.children.session_policy import parse_session_policy
from session_scoping.agent.errors import AnswerRefusedError, Failure, Reason, TaskCredentialsError
from session_scoping.agent.failures import describe
from session_scoping.agent.region import set_region
from session_scoping.agent.service_models import knows_operation, share_models
from session_scoping.agent.session.credential_set import CredentialSet
from session_scoping.agent.session.refresh import TaskCredentials
from session_scoping.agent.session.task_role import TaskRole
from session_scoping.agent.sources.assume_role import refuse_fragment
from session_scoping.agent.sources.compute_role import STS_CONFIG
from session_scoping.contract.errors import InvalidInputError

LAYERS_MAX = 3
"""Policies on one session; a call without a policy adds none. Source: the model, ScopedPoliciesCount."""

SECONDS_MIN, SECONDS_MAX = 120, 129_600
"""STS gives one second, too; but credentials sign until a minute before their end, and are asked for twice a minute."""

DENIED: tuple[Reason, ...] = ("AccessDenied", "AccessDeniedException")

_OPERATION = "GetScopedCredentials"
_SINCE = "1.44.7"
_DESCRIPTION = r"[\t\n\r -~\xa1-\xff]{2,256}"
_GLOBAL_HOST = "sts.amazonaws.com"
_EXPECTED = "narrower credentials from STS"
_ENDED = "see to the session this one is narrowed from: its credentials are not valid"

# What describe() says is about the compute role and AssumeRole.
_FIXES: dict[Reason, str] = {
    "AccessDenied": "let the role's sessions narrow themselves with SessionRole(narrowing=True); a fourth policy on a "
    "session is denied as well",
    "ExpiredToken": _ENDED,
    "InsufficientSessionLifetime": "set this machine's clock (NTP), or ask for fewer seconds",
    "InvalidClientTokenId": _ENDED,
    "InvalidSubjectCredentials": _ENDED,
    "MalformedPolicyDocument": "correct the policy",
    "PackedPolicyTooLarge": "shorten the policy: STS packs it into the session token, with the tags and the "
    "policies it has already, and does not publish how large that may be",
}
_FIXES["AccessDeniedException"] = _FIXES["AccessDenied"]
_FIXES["ExpiredTokenException"] = _FIXES["UnrecognizedClientException"] = _ENDED


def can_scope() -> bool:
    """Whether the installed botocore knows GetScopedCredentials."""
    return knows_operation("sts", _OPERATION)


def scoped_role(
    parent: TaskRole,
    signer: TaskCredentials,
    region_name: str | None,
    *,
    policy: str | Mapping[str, Any] | None,
    seconds: int | None,
    description: str | None,
) -> TaskRole:
    """Return where a narrowed session's credentials come from; `TaskSession.scoped` says what the arguments mean."""
    layers = parent.layers + (policy is not None)
    _check(policy, seconds, description, layers)
    arguments: dict[str, Any] = {
        **({} if policy is None else {"Policy": _policy_text(policy)}),
        **({} if description is None else {"ScopedSessionDescription": description}),
    }
    fetch = _ScopedDown(parent, signer, region_name, arguments, seconds)
    longest = parent.longest if seconds is None else min(seconds, parent.longest)
    return parent.narrowed(fetch, longest=longest, layers=layers)


def _policy_text(policy: str | Mapping[str, Any]) -> str:
    if not isinstance(policy, Mapping):
        return parse_session_policy(policy)
    try:
        text = json.dumps(dict(policy))
    except (TypeError, ValueError):
        text = ""
    return parse_session_policy(text)


def _check(policy: object, seconds: object, description: object, layers: int) -> None:
    if not can_scope():
        raise InvalidInputError(
            f"a session cannot narrow itself with the installed botocore, which lacks sts:{_OPERATION}",
            got=f"botocore {botocore_version}",
            expected=f"{_SINCE} or newer",
            why="no call could be made",
            fix=f"pip install 'botocore>={_SINCE}', or derive a tool's role",
        )
    if policy is None and seconds is None:
        raise InvalidInputError(
            "nothing is narrowed",
            got="no policy and no seconds",
            expected="one of them, or both",
            why="the new session would reach what this one reaches, for as long",
            fix="pass a policy",
        )
    if layers > LAYERS_MAX:
        raise InvalidInputError(
            "a session cannot be narrowed by another policy",
            got=f"{layers} policies, one over another",
            expected=f"at most {LAYERS_MAX}",
            why="STS denies it",
            fix="narrow a session that has fewer, with what all of them allow",
        )
    if seconds is not None and (type(seconds) is not int or not SECONDS_MIN <= seconds <= SECONDS_MAX):
        raise InvalidInputError(
            "seconds is out of range",
            got=f"{seconds}" if type(seconds) is int else f"a {type(seconds).__name__}",
            expected=f"{SECONDS_MIN} to {SECONDS_MAX}",
            why="credentials sign until 60 seconds before their end, with 30 between two attempts",
            fix="leave it out for as long as this session's credentials last",
        )
    if description is not None and not (isinstance(description, str) and re.fullmatch(_DESCRIPTION, description)):
        raise InvalidInputError(
            "the description cannot be sent",
            got=f"{len(description)} characters" if isinstance(description, str) else f"a {type(description).__name__}",
            expected="2 to 256 characters of Latin-1",
            why="STS refuses it",
            fix="say what the session is for in a few words; CloudTrail shows them, so name no secret",
        )


class _ScopedDown:
    """
    Ask for narrower credentials of a session, once per call.

    Args:
        parent: The session that is narrowed.
        signer: Its credentials: they sign, and what comes is used no longer than they last.
        region_name: Region of the STS endpoint.
        arguments: Of GetScopedCredentials, without the duration.
        seconds: How long they may last. Default: as long as the signer's.
    """

    def __init__(
        self,
        parent: TaskRole,
        signer: TaskCredentials,
        region_name: str | None,
        arguments: Mapping[str, Any],
        seconds: int | None,
    ) -> None:
        self._parent, self._signer, self._region_name = parent, signer, region_name
        self._arguments, self._seconds = arguments, seconds

    def __call__(self) -> CredentialSet:
        """Return new credentials, or raise AnswerRefusedError."""
        keys, left = self._signing()
        # By the signer's own age: no step of this machine's clock lets the new ones outlive it.
        latest = self._signer.timer.now() + timedelta(seconds=left)
        failure: Failure
        try:
            answer = self._client(keys).get_scoped_credentials(**self._arguments, **self._duration(left))
            return self._checked(answer, keys, latest)
        except Exception as error:
            failure = describe(error, source="STS")
        fix = _FIXES.get(failure.reason, failure.fix)
        raise AnswerRefusedError(failure._replace(expected=_EXPECTED, fix=fix))

    def _signing(self) -> tuple[ReadOnlyCredentials, float]:
        """Return the keys that sign and the seconds they have left, both of one set."""
        try:
            while True:
                keys = self._signer.get_frozen_credentials()
                left = self._signer.seconds_left
                if keys is self._signer.get_frozen_credentials():
                    return keys, left
        except TaskCredentialsError as error:
            raise AnswerRefusedError(of_parent(error, "GetScopedCredentials")) from None

    def _duration(self, left: float) -> dict[str, int]:
        # STS rejects a longer one than the signer has left; without any the signer's end is the new one's.
        if self._seconds is None or (self._seconds >= left and "Policy" in self._arguments):
            return {}
        return {"DurationSeconds": max(1, min(self._seconds, int(left)))}

    def _client(self, keys: ReadOnlyCredentials) -> Any:
        session = botocore.session.Session()
        session.register_component("credential_provider", CredentialResolver([]))
        share_models(session)
        set_region(session, self._region_name)
        client: Any = session.create_client(
            "sts",
            config=STS_CONFIG,
            aws_access_key_id=keys.access_key,
            aws_secret_access_key=keys.secret_key,
            aws_session_token=keys.token,
        )
        client.meta.events.register(f"before-call.sts.{_OPERATION}", _refuse_global_endpoint)
        client.meta.events.register(f"before-parse.sts.{_OPERATION}", refuse_fragment)
        return client

    def _checked(self, answer: Mapping[str, Any], keys: ReadOnlyCredentials, latest: datetime) -> CredentialSet:
        found = CredentialSet.from_answer(answer.get("Credentials"))
        if found.access_key_id == keys.access_key:
            raise AnswerRefusedError(_NOT_NARROWED._replace(got="the session's own key"))
        if "Policy" in self._arguments and answer.get("ScopedPoliciesCount") == 0:
            raise AnswerRefusedError(_NOT_NARROWED)
        role = self._parent.known_role()
        info = answer.get("SessionInfo")
        arn = info.get("Arn") if isinstance(info, Mapping) else None
        if role is not None and arn != role.session_arn(self._parent.session_name):
            raise AnswerRefusedError(_NOT_NARROWED._replace(got="credentials of another role or session, or of none"))
        return CredentialSet(
            found.access_key_id, found.secret_access_key, found.session_token, min(found.expiration, latest)
        )


_NOT_NARROWED = Failure(
    "WrongRole",
    "credentials that the policy was not applied to",
    "narrower ones of the same session",
    "look at what answers on the STS endpoint",
)
_GLOBAL = Failure(
    "BadEndpoint",
    "the global STS endpoint",
    "a Region's: the global one does not know GetScopedCredentials",
    "set AWS_REGION to a Region, and unset AWS_ENDPOINT_URL_STS; nothing was sent",
)


def of_parent(error: TaskCredentialsError, call: str) -> Failure:
    """Return what it means for a session that the one it was made of has no credentials."""
    got = f"no credentials of the session this one is derived from ({error.reason})"
    return Failure(error.reason, got, f"some to sign {call} with", "see to that one")


def _refuse_global_endpoint(params: Mapping[str, Any], **_: object) -> None:
    # Source: STS API_GetScopedCredentials, Note.
    if urlsplit(params["url"]).hostname == _GLOBAL_HOST:
        raise AnswerRefusedError(_GLOBAL)
