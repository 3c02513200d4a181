"""
Holds real boto3 calls against the policies of a template, in front of a moto server.

Every request is turned into the IAM requests AWS would make of it and put to `decide`; a denied one gets AWS's own
answer and never leaves the process, and none leaves the machine. `pytest_plugins = ["session_scoping.enforcement"]`
offers the fixture `enforced_policies`, which runs the server.

A request signed with keys that came from AssumeRole is the session's. One signed with any other key is `ambient`'s: the
role given to `as_role`, or, without one, the owner of the account, who may do everything.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import botocore.session
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

from session_scoping.enforcement_deploy import Deployment
from session_scoping.enforcement_requests import IamCall, Wire, iam_calls
from session_scoping.enforcement_server import MISLEADING, configured_url, empty, moto_server, refuse_aws, settings
from session_scoping.errors import InvalidInputError
from session_scoping.revocations import ISSUE_TIME
from session_scoping.verify.binding import Binding, tag_context
from session_scoping.verify.collecting import collect
from session_scoping.verify.decision import Decision, PolicySet, Request, decide
from session_scoping.verify.links import link
from session_scoping.verify.model import Role, Store
from session_scoping.verify.scope import Scope
from session_scoping.verify.template import load

MOTO_ACCOUNT = "123456789012"
_REGION = "us-east-1"
_FREE = {"sts:GetCallerIdentity"}
"""Needs no permission (STS API_GetCallerIdentity)."""


@dataclass(frozen=True)
class Caller:
    """Whose policies hold for a request: a role, the tags of its session, and when that was issued."""

    role: Role
    tags: Mapping[str, str] = field(default_factory=dict)
    session_name: str = "ambient"
    issued: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True)
class Decided:
    """One IAM request that was decided, for a test to look at."""

    action: str
    resource: str
    decision: Decision


class EnforcedPolicies:
    """
    The policies of a template, enforced on boto3 in this process.

    Args:
        template: A parsed template, or the path of a template or a cdk.out directory.
        region: Region the stack is taken to be deployed in.
        account: Account it is taken to be deployed in. Default: moto's.
    """

    def __init__(
        self, template: Mapping[str, Any] | str | Path, *, region: str = _REGION, account: str = MOTO_ACCOUNT
    ) -> None:
        scopes = load(Path(template)) if isinstance(template, str | Path) else link([Scope("T", dict(template))])
        self.estate = collect(scopes)
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

    def name(self, logical_id: str) -> str:
        """
        Return the physical name of a table, bucket, role or log group, or a secret's ARN once it is deployed.

        Args:
            logical_id: Its logical id, or the beginning of it that names one resource only.

        Raises:
            InvalidInputError: It names none, or more than one.
        """
        everything = {role.id: role.name for role in self.estate.roles.values()}
        everything |= {store.id: store.name for store in self.estate.stores.values()}
        everything |= dict(self._deployment.named())
        found = {key: name for key, name in everything.items() if key.rpartition(".")[2].startswith(logical_id)}
        exact = {key: name for key, name in found.items() if key.rpartition(".")[2] == logical_id}
        if len(exact or found) != 1:
            raise InvalidInputError(
                f"`{logical_id}` names no single resource",
                got=f"{len(exact or found)} matches",
                expected="the logical id of a table, bucket, key, role, log group or secret",
                why="policies would be held against another resource",
                fix="give the whole logical id",
            )
        ((_, name),) = (exact or found).items()
        return self._binding.text(name)

    def arn(self, logical_id: str) -> str:
        """Return the ARN of a role, table or bucket; `logical_id` as in `name`."""
        wanted = self.name(logical_id)
        items: list[Role | Store] = [*self.estate.roles.values(), *self.estate.stores.values()]
        return next(self._binding.text(item.arn) for item in items if self._binding.text(item.name) == wanted)

    def deploy(self, session: Any) -> None:
        """Make tables, buckets, log groups and secrets, as the owner of the account. `session` is a boto3 Session."""
        self._deployment.make(session)

    @contextmanager
    def as_role(self, logical_id: str) -> Iterator[None]:
        """Hold requests with ambient keys against a role's policies, as on a compute that runs under it."""
        arn, before = self.arn(logical_id), self.ambient
        self.ambient = Caller(next(r for r in self.estate.roles.values() if self._binding.text(r.arn) == arn))
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
        key = _access_key(request)
        caller = self._sessions.get(key, self.ambient)
        if caller is None:
            self._remember(service, operation, request)
            return None
        for call in iam_calls(service, operation, request, Wire(self._partition_key, self._account, host)):
            if call.action in _FREE:
                continue
            decision = self._decide(caller, call)
            self.log.append(Decided(call.action, call.resource, decision))
            if not decision.allowed:
                return _access_denied(request, service, call, decision)
        self._remember(service, operation, request)
        return None

    def _remember(self, service: str, operation: str, request: AWSPreparedRequest) -> None:
        if (service, operation) == ("sts", "AssumeRole"):
            self._pending.form = _form(request)

    def _decide(self, caller: Caller, call: IamCall) -> Decision:
        context: dict[str, Any] = {**tag_context("aws:PrincipalTag/", caller.tags), **call.context}
        context["aws:PrincipalArn"] = principal = self._binding.text(caller.role.arn)
        # moto has one account, so caller and resource are in the same.
        context |= {f"aws:{kind}Account": self._account for kind in ("Principal", "Resource")}
        context[ISSUE_TIME] = caller.issued.isoformat()
        request = Request(call.action, call.resource, context, principal, caller.session_name)
        trusted = next((r for r in self.estate.roles.values() if self._binding.text(r.arn) == call.resource), None)
        store = next(
            (s for s in self.estate.stores.values() if _inside(call.resource, self._binding.text(s.arn))), None
        )
        policy = trusted.trust if trusted else store.policy if store else ()
        policies = PolicySet(
            self._binding.statements(caller.role.identity),
            None if caller.role.boundary is None else self._binding.statements(caller.role.boundary),
            self._binding.statements(policy),
            resource_must_allow=trusted is not None,
        )
        return decide(request, policies)

    def _after_assume(self, parsed: Mapping[str, Any], **_: Any) -> None:
        form = getattr(self._pending, "form", None)
        if form is None or "Credentials" not in parsed:
            return
        role = next((r for r in self.estate.roles.values() if self._binding.text(r.arn) == form["RoleArn"]), None)
        if role is not None:
            caller = Caller(role, _tags(form), form["RoleSessionName"])
            self._sessions[parsed["Credentials"]["AccessKeyId"]] = caller

    def _partition_key(self, table: str) -> str | None:
        found = [s for s in self.estate.of_kind("table") if self._binding.text(s.name) == table]
        return found[0].partition_key if found else None


def _access_key(request: AWSPreparedRequest) -> str:
    header = request.headers.get("Authorization", b"")
    text = header.decode() if isinstance(header, bytes) else str(header)
    return text.partition("Credential=")[2].partition("/")[0]


def _form(request: AWSPreparedRequest) -> dict[str, str]:
    body = request.body or b""
    return dict(parse_qsl(body.decode() if isinstance(body, bytes) else str(body), keep_blank_values=True))


def _tags(form: Mapping[str, str]) -> dict[str, str]:
    keys = [name for name in form if name.startswith("Tags.member.") and name.endswith(".Key")]
    return {form[name]: form[name.removesuffix("Key") + "Value"] for name in keys}


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
    # boto3.client() keeps a session for the process, and the keys of whoever asked first.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name in MISLEADING:
        monkeypatch.delenv(name, raising=False)
    _set(monkeypatch, settings(url, _REGION))
    with ExitStack() as stack:

        def enforce(template: Mapping[str, Any] | str | Path, **options: str) -> EnforcedPolicies:
            _set(monkeypatch, settings(url, options.get("region", _REGION)))
            return stack.enter_context(EnforcedPolicies(template, **options).installed())

        yield enforce


def _set(monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
