"""The default credential source: AssumeRole with the task's tags, signed by the compute role alone."""

from copy import copy
from datetime import datetime
from functools import partial
from typing import Any

import botocore.session
from botocore.credentials import AssumeRoleCredentialFetcher, Credentials
from botocore.exceptions import ClientError

from session_scoping.agent.environment import tag_arguments
from session_scoping.agent.errors import AnswerRefusedError, Failure
from session_scoping.agent.failures import BROKEN_OFF, REDIRECT, refusal_without_code
from session_scoping.agent.names import RoleArn
from session_scoping.agent.session.credential_set import CredentialSet
from session_scoping.agent.sources.compute_role import STS_CONFIG, ComputeRole
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.tags import SessionTags

DURATION_SECONDS = 3600
"""Source: STS caps a chained session at one hour, whatever MaxSessionDuration says."""


class AssumeRole:
    """
    Assume the session role, once per call.

    Args:
        role: The role to assume.
        tags: The session tags; the same on every call. None where the signer's own are inherited.
        session_name: The role session name; the same on every call.
        region_name: Region of the STS endpoint. Default: AWS_DEFAULT_REGION, AWS_REGION, then the profile's.
        policy: Session policy that narrows the session further, as JSON. Default: none.
        source_identity: What CloudTrail shows for every call of the session; the same on every call. Default: none.
        seconds: How long the credentials last. Default: 3600.
        compute: The session that holds the compute role's credentials. Default: a new one with botocore's own
            chain. It signs AssumeRole and nothing else.
    """

    def __init__(
        self,
        *,
        role: RoleArn,
        tags: SessionTags | None,
        session_name: str,
        region_name: str | None = None,
        policy: str | None = None,
        source_identity: str | None = None,
        seconds: int = DURATION_SECONDS,
        compute: botocore.session.Session | None = None,
    ) -> None:
        self._role = role
        self._expected_arn = role.session_arn(session_name)
        self._arguments: dict[str, Any] = {
            "RoleSessionName": session_name,
            "DurationSeconds": seconds,
            **({} if tags is None else tag_arguments(tags)),
            **({} if policy is None else {"Policy": policy}),
            **({} if source_identity is None else {"SourceIdentity": source_identity}),
        }
        self._compute = ComputeRole(STS_CONFIG, region_name, compute)

    def narrowed(self, policy: str, seconds: int) -> "AssumeRole":
        """
        Return the same call with a session policy and for a shorter time.

        Raises:
            InvalidInputError: There is a policy already; the new one would replace it, not narrow it.
        """
        if "Policy" in self._arguments:
            raise InvalidInputError(
                "a session with a session policy cannot be narrowed by another one",
                got="session_policy twice",
                expected="one policy",
                why="STS takes one, and the second would replace the first",
                fix="derive from the session the first one was made of, with what both policies allow",
            )
        narrower = copy(self)
        narrower._arguments = {**self._arguments, "DurationSeconds": seconds, "Policy": policy}
        return narrower

    def learn_signer(self) -> None:
        """After a success, in the background: learn whose keys signed, where others may replace them."""
        self._compute.learn_signer()

    def __call__(self) -> CredentialSet:
        """Return new credentials, or raise what botocore raised or why the answer was refused."""
        try:
            return self._ask()
        except ClientError as error:
            failure = self._compute.renew(error)
            if failure is None:
                raise
        raise AnswerRefusedError(failure)

    def _ask(self) -> CredentialSet:
        signer = self._compute.signer()
        # A new fetcher each time: it caches, and would hand the old credentials out again until they had
        # 15 minutes left.
        client = partial(self._sts_client, signer)
        fetcher = AssumeRoleCredentialFetcher(client, signer, self._role.text, extra_args=self._arguments)
        answer = fetcher.fetch_credentials()
        if answer["access_key"] == signer.access_key:
            raise _wrong_role("the compute role's own key")
        self._compute.worked()
        return CredentialSet(
            access_key_id=answer["access_key"],
            secret_access_key=answer["secret_key"],
            session_token=answer["token"],
            expiration=datetime.fromisoformat(answer["expiry_time"]),
        )

    def _sts_client(self, signer: Credentials, service_name: str, **_: Any) -> Any:
        client = self._compute.client(service_name, signer, STS_CONFIG)
        client.meta.events.register("before-parse.sts.AssumeRole", refuse_fragment)
        client.meta.events.register("after-call.sts.AssumeRole", self._check_answer)
        return client

    def _check_answer(self, http_response: Any, parsed: dict[str, Any], **_: object) -> None:
        check_answer(http_response, parsed, expected_arn=self._expected_arn)


def check_answer(http_response: Any, parsed: dict[str, Any], *, expected_arn: str) -> None:
    """Refuse an answer that is no success, is not about this role and session, or lacks a field."""
    if http_response.status_code >= 300:
        return  # botocore raises
    user = parsed.get("AssumedRoleUser")
    if not isinstance(user, dict) or user.get("Arn") != expected_arn:
        raise _wrong_role("an answer about another role or session, or about none")
    parsed["Credentials"] = _fetchable(CredentialSet.from_answer(parsed.get("Credentials")))


def refuse_fragment(response_dict: dict[str, Any], **_: object) -> None:
    """Say what came before botocore fails to read it: a redirect, an answer that broke off, a gateway's own error."""
    status, body = response_dict["status_code"], response_dict["body"]
    if 300 <= status < 400:
        raise AnswerRefusedError(REDIRECT)
    length = response_dict["headers"].get("content-length", "")
    if length.isdecimal() and len(body) < int(length):
        raise AnswerRefusedError(BROKEN_OFF)
    if status >= 400 and b"<Code>" not in body and (failure := refusal_without_code(status)):
        raise AnswerRefusedError(failure)


def _wrong_role(got: str) -> AnswerRefusedError:
    return AnswerRefusedError(
        Failure("WrongRole", got, "a new session of the role", "look at what answers on the STS endpoint")
    )


def _fetchable(checked: CredentialSet) -> dict[str, Any]:
    return {
        "AccessKeyId": checked.access_key_id,
        "SecretAccessKey": checked.secret_access_key,
        "SessionToken": checked.session_token,
        "Expiration": checked.expiration,
    }
