"""
Checks real boto3 calls against the policies of a template, in front of a moto server.

Every request is turned into the IAM requests AWS would make of it and put to `decide`; a denied one gets AWS's own
answer and never leaves the process, and none leaves the machine. The fixture `enforced_policies` runs the server:
`pytest_plugins = ["session_scoping.testing.enforcement"]` offers it.

A request signed with keys that came from AssumeRole is the session's: its role's policies hold, with its tags, those
it inherited, and its session policy. One signed with any other key is `ambient`'s: the role given to `as_role`, or,
without one, the owner of the account, who may do everything. Keys that STS gives out in another way, or for a role that
is not in the templates, would be checked against no policy: asking for them is an error.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from session_scoping.testing.moto_deploy import Deployment
from session_scoping.testing.moto_server import MISLEADING, configured_url, empty, moto_server, refuse_aws, settings
from session_scoping.testing.signed_requests import access_key_of, form_of
from session_scoping.testing.sts_sessions import Caller, refuse_not_held, session_made
from session_scoping.testing.wire_requests import IamCall, Wire, iam_calls
from session_scoping.verify.deployment.collecting import collect
from session_scoping.verify.files.source import Source, scopes_of
from session_scoping.verify.policies.binding import Binding
from session_scoping.verify.policies.decision import Decision, Request
from session_scoping.verify.policies.model import Role, Store
from session_scoping.verify.scoping.selectors import the_one

__all__ = ["Decided", "EnforcedPolicies", "enforced_policies"]

MOTO_ACCOUNT = "123456789012"
_REGION = "us-east-1"
_FREE = {"sts:GetCallerIdentity"}
"""Needs no permission (STS API_GetCallerIdentity)."""


@dataclass(frozen=True)
class Decided:
    """
    One IAM request that was decided, for a test to look at.

    Attributes:
        action: The IAM action, such as `dynamodb:GetItem`.
        resource: The ARN it was asked for.
        decision: Whether it is allowed, and by which statement.
    """

    action: str
    resource: str
    decision: Decision


class EnforcedPolicies:
    """
    The policies of a template, enforced on boto3 in this process.

    Args:
        template: A parsed template, an object with `to_json()` such as `aws_cdk.assertions.Template`, or the path of a
            template or a cdk.out directory.
        region: Region the stack is taken to be deployed in.
        account: Account it is taken to be deployed in. Default: moto's.

    Raises:
        InvalidInputError: There is no template to read.
    """

    def __init__(self, template: Source, *, region: str = _REGION, account: str = MOTO_ACCOUNT) -> None:
        scopes = scopes_of(template)
        self.deployment = collect(scopes)
        given = {
            f"AWS::{name}{s.env}": value for s in scopes for name, value in (("Region", region), ("AccountId", account))
        }
        self._binding = Binding(given)
        self._deployment = Deployment(scopes, self._binding)
        self._sessions: dict[str, Caller] = {}
        self._pending = threading.local()
        self._account = account
        self.ambient: Caller | None = None
        self.log: list[Decided] = []

    def name(self, word: str) -> str:
        """
        Return the physical name of a table, bucket, role, function or log group; deployed, a secret's ARN or key's id.

        Args:
            word: Its logical id, with or without CDK's hash, or its construct path or the end of it, as for
                `session_scoping.verify.verify`. An exact id comes before the end of a path.

        Raises:
            InvalidInputError: It names none, or more than one equally well.
        """
        everything = {item.id: (item.label, item.name) for item in self._roles_and_stores()}
        everything |= {key: (label, name) for key, label, name in self._deployment.named()}
        return self._binding.text(the_one(word, everything, "table, bucket, key, role, function, log group or secret"))

    def arn(self, word: str) -> str:
        """
        Return the ARN of a role, table, bucket or key; `word` as in `name`.

        Raises:
            InvalidInputError: It names none, or more than one equally well.
        """
        arns = {item.id: (item.label, item.arn) for item in self._roles_and_stores()}
        return self._binding.text(the_one(word, arns, "role, table, bucket or key"))

    def _roles_and_stores(self) -> list[Role | Store]:
        return [*self.deployment.roles.values(), *self.deployment.stores.values()]

    def deploy(self, session: Any) -> None:
        """Make tables, buckets, keys, log groups and secrets, as the account's owner. `session` is a boto3 Session."""
        self._deployment.make(session)

    @contextmanager
    def as_role(self, word: str) -> Iterator[None]:
        """
        Check requests with ambient keys against a role's policies, as on a compute that runs under it.

        Raises:
            InvalidInputError: `word`, as in `name`, names no role, or more than one equally well.
        """
        roles = {role.id: (role.label, role) for role in self.deployment.roles.values()}
        role, before = the_one(word, roles, "role"), self.ambient
        self.ambient = Caller(role)
        try:
            yield
        finally:
            self.ambient = before

    @contextmanager
    def installed(self) -> Iterator["EnforcedPolicies"]:
        """
        Enforce on every botocore client made from now on, until the block ends.

        A request of one that goes to another host than loopback raises InvalidInputError and is not sent.
        """
        original = botocore.session.Session.create_client

        def create_client(session: Any, *args: Any, **kwargs: Any) -> Any:
            client = original(session, *args, **kwargs)
            host = urlsplit(client.meta.endpoint_url).hostname or ""
            client.meta.events.register("before-send", cast("Any", partial(self._before_send, host)))
            client.meta.events.register("after-call.sts.AssumeRole", self._after_assume)
            return client

        patched: Any = botocore.session.Session
        patched.create_client = create_client
        try:
            yield self
        finally:
            patched.create_client = original

    def _before_send(self, host: str, request: AWSPreparedRequest, **kwargs: Any) -> AWSResponse | None:
        refuse_aws(request.url)
        _, service, operation = str(kwargs["event_name"]).split(".", 2)
        caller = self._sessions.get(access_key_of(request), self.ambient)
        if service == "sts":
            refuse_not_held(operation)
        denied = self._denied(caller, service, operation, request, host) if caller else None
        if denied is None and (service, operation) == ("sts", "AssumeRole"):
            self._pending.session = session_made(
                form_of(request), self.deployment.roles.values(), self._binding, caller
            )
        return denied

    def _denied(
        self, caller: Caller, service: str, operation: str, request: AWSPreparedRequest, host: str
    ) -> AWSResponse | None:
        """Return AWS's answer to a request that the caller's policies do not let through."""
        wire = Wire(self._partition_key, self._account, host)
        for call in iam_calls(service, operation, request, wire, caller.handed_on()):
            if call.action in _FREE:
                continue
            decision = self._decide(caller, call)
            self.log.append(Decided(call.action, call.resource, decision))
            if not decision.allowed:
                return _access_denied(request, service, call, decision)
        return None

    def _decide(self, caller: Caller, call: IamCall) -> Decision:
        context: dict[str, Any] = {**caller.context(self._binding), **call.context}
        # moto has one account, so caller and resource are in the same.
        context |= {f"aws:{kind}Account": self._account for kind in ("Principal", "Resource")}
        principal = self._binding.text(caller.role.arn)
        request = Request(call.action, call.resource, context, principal, caller.session_name)
        roles, stores = self.deployment.roles.values(), self.deployment.stores.values()
        trusted = next((role for role in roles if self._binding.text(role.arn) == call.resource), None)
        store = next((store for store in stores if _inside(call.resource, self._binding.text(store.arn))), None)
        policy = trusted.trust if trusted else store.policy if store else ()
        return caller.decide(request, self._binding, policy, trust=trusted is not None)

    def _after_assume(self, parsed: Mapping[str, Any], **_: Any) -> None:
        if "Credentials" in parsed:
            self._sessions[parsed["Credentials"]["AccessKeyId"]] = self._pending.session

    def _partition_key(self, table: str) -> str | None:
        found = [s for s in self.deployment.of_kind("table") if self._binding.text(s.name) == table]
        return found[0].partition_key if found else None


def _inside(resource: str, arn: str) -> bool:
    return resource == arn or resource.startswith(f"{arn}/")


def _access_denied(request: AWSPreparedRequest, service: str, call: IamCall, decision: Decision) -> AWSResponse:
    text = f"not authorized to perform {call.action} on resource {call.resource}: {decision}"
    if service not in {"s3", "sts"}:
        body = json.dumps({"__type": "com.amazon.coral.service#AccessDeniedException", "message": text})
    else:
        escaped = text.replace("&", "&amp;").replace("<", "&lt;")
        error = f"<Error><Code>AccessDenied</Code><Message>{escaped}</Message></Error>"
        body = error if service == "s3" else f"<ErrorResponse>{error}</ErrorResponse>"
    return AWSResponse(request.url, 403, HTTPHeaders(), _Body(body.encode()))


class _Body:
    """The part of a urllib3 response that botocore reads."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self._content

    def read(self, *_: Any, **__: Any) -> bytes:
        content, self._content = self._content, b""
        return content


Enforce = Callable[..., EnforcedPolicies]


@pytest.fixture(scope="session")
def _enforcement_server() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def enforced_policies(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Enforce]:
    """
    Return a function that enforces a template's policies until the test ends.

    `policies = enforced_policies(template)`; arguments as for `EnforcedPolicies`. boto3 calls the moto server that
    AWS_ENDPOINT_URL names, else an empty one of the fixture's own, with keys that are nobody's.
    """
    import boto3

    if (url := configured_url()) is None:
        url = request.getfixturevalue("_enforcement_server")
        empty(url)
    # boto3.client() keeps a session for the process, and the keys of the first caller.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in MISLEADING:
        monkeypatch.delenv(name, raising=False)
    _set(monkeypatch, settings(url, _REGION))
    with ExitStack() as stack:

        def enforce(template: Source, **options: str) -> EnforcedPolicies:
            _set(monkeypatch, settings(url, options.get("region", _REGION)))
            return stack.enter_context(EnforcedPolicies(template, **options).installed())

        yield enforce


def _set(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
