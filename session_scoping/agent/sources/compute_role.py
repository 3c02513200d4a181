"""The compute role's session: it signs AssumeRole or invokes the credential broker, and nothing else."""

import os
import threading
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.exceptions import NoCredentialsError

from session_scoping.agent.errors import Failure
from session_scoping.agent.failures import describe
from session_scoping.agent.log_filter import sts_call_hidden
from session_scoping.agent.region import set_region
from session_scoping.agent.service_models import share_models
from session_scoping.agent.session.fork_lock import ForkSafeLock
from session_scoping.contract.boto_errors import Answer, kind_of

# One request per attempt: the refresh spaces attempts, and a retry here would multiply them.
STS_CONFIG = Config(
    connect_timeout=5,
    read_timeout=10,
    retries={"total_max_attempts": 1, "mode": "standard"},
)

# What AWS says of keys that have ended, were deleted or deactivated. Source: STS and IAM, common errors; Lambda's name
# for the same is UnrecognizedClientException.
_REFUSALS = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"})

# botocore's names of the sources that it renews by itself or that cannot change; any other one rests on a file or a
# program, which it reads once. Source: `METHOD` of the providers in botocore.credentials.
_NEVER_ROTATED = frozenset({"env", "container-role", "iam-role", "assume-role-with-web-identity"})

_ROTATED = Failure(
    "SourceRotated",
    "keys of the compute role that have been replaced in the meantime",
    "the present ones",
    "nothing: they are known now, and the next attempt comes by itself",
)
_CHANGED = Failure(
    "SourceChanged",
    "keys of another account or role in the place of the compute role's, which have ended",
    "new keys of the role that this task began with",
    "look at the credentials file or profile; start the task anew if the change is meant",
)


class ComputeRole:
    """
    The compute role's keys, found by botocore's own chain, and found anew when AWS refuses them.

    botocore reads a credentials file once in a process, so that it signs with the old keys after the file has been
    rotated. New keys must be of the same account and role as those that worked; that is known by GetCallerIdentity,
    asked once where keys come from a file or a program.

    Args:
        config: Of botocore's own calls for these keys (web identity, role_arn of a profile, SSO), which are part of an
            attempt: one request each.
        region_name: Region of the clients. Default: AWS_DEFAULT_REGION, AWS_REGION, then the profile's.
        session: A session that is never replaced by another. Default: a new one with botocore's own chain.
    """

    def __init__(
        self, config: Config, region_name: str | None, session: botocore.session.Session | None = None
    ) -> None:
        self._config = config
        self._region_name = region_name
        self._replaceable = session is None
        # Made at first use: many sessions are held that call nothing for a while, and one of botocore's costs 5 ms.
        self._session = None if session is None else self._prepared(session)
        self._lock = ForkSafeLock()  # botocore's sessions are not made for two threads
        self._process = os.getpid()
        self._signer: Credentials | None = None
        self._worked = False
        self._principal: str | None = None

    def signer(self) -> Credentials:
        """Return the keys that sign now. Looked at once: near their end botocore would ask for new ones each time."""
        source = self._source_of(self._present())
        if self._process != os.getpid():
            # A thread of the parent may have held botocore's lock for ever.
            if self._replaceable and isinstance(source, RefreshableCredentials):
                vars(source).update(_refresh_lock=threading.Lock())
            self._process = os.getpid()
        self._signer = _frozen(source)
        return self._signer

    def client(self, service: str, signer: Credentials, config: Config) -> Any:
        """Return a client of a service whose calls these keys sign."""
        return self._client(self._present(), service, signer, config)

    def worked(self) -> None:
        """Note that the last signer was accepted: from now on only keys of the same account and role may follow."""
        self._worked = True

    def learn_signer(self) -> None:
        """Learn whose keys they are, where that is not known and they may be replaced. May raise what botocore does."""
        with sts_call_hidden():  # no refresh is under way any more that would hide it
            session, signer = self._present(), self._signer
            method = self._source_of(session).method
            if self._principal is None and self._replaceable and signer and method not in _NEVER_ROTATED:
                self._principal = self._principal_of(session, signer)

    def renew(self, error: Exception) -> Failure | None:
        """
        After a call has failed: look whether there are other keys, and return what that means for the attempt.

        Returns:
            `SourceRotated`: the next attempt signs with new keys of the same account and role. `SourceChanged`: they
            belong to others and are not used. Nothing: `error` has another cause, or there are no other keys.
        """
        if not self._replaceable or kind_of(error) != "answer" or Answer.of(error).code not in _REFUSALS:
            return None
        if self._worked and self._principal is None:
            return None  # whose keys the task began with is not known, and unknown counts as another's
        session = self._prepared(botocore.session.Session())
        try:
            signer = _frozen(self._source_of(session))
        except Exception:
            return None  # a file that is being written, or gone: what AWS said is the better reason
        if self._signer is not None and signer.access_key == self._signer.access_key:
            return None
        if self._worked:
            try:
                found = self._principal_of(session, signer)
            except Exception as fault:
                return describe(fault, source="STS")
            if found != self._principal:
                return _CHANGED
        self._session = session
        return _ROTATED

    def _present(self) -> botocore.session.Session:
        with self._lock:
            if self._session is None:
                self._session = self._prepared(botocore.session.Session())
            return self._session

    def _prepared(self, session: botocore.session.Session) -> botocore.session.Session:
        share_models(session)
        session.set_default_client_config(self._config)
        # set_region also makes STS regional: the global endpoint is one Region far away, and its quota is shared.
        set_region(session, self._region_name)
        return session

    def _source_of(self, session: botocore.session.Session) -> Any:
        with self._lock:
            session.get_component("credential_provider")  # made once; what follows may ask others, and hang
        source = session.get_credentials()
        if source is None:
            raise NoCredentialsError
        return source

    def _client(self, session: botocore.session.Session, service: str, signer: Credentials, config: Config) -> Any:
        with self._lock:
            return session.create_client(
                service,
                config=config,
                aws_access_key_id=signer.access_key,
                aws_secret_access_key=signer.secret_key,
                aws_session_token=signer.token,
            )

    def _principal_of(self, session: botocore.session.Session, signer: Credentials) -> str:
        arn: str = self._client(session, "sts", signer, STS_CONFIG).get_caller_identity()["Arn"]
        # `arn:<partition>:sts::<account>:assumed-role/<role>/<session name>`: the name of the session may change.
        return arn.rpartition("/")[0] if ":assumed-role/" in arn else arn


def _frozen(source: Any) -> Credentials:
    own = source.get_frozen_credentials()
    if own.access_key is None or own.secret_key is None:
        raise NoCredentialsError
    return Credentials(own.access_key, own.secret_key, own.token)
