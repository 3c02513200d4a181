"""A stand-in for STS on loopback: answers, delays, lies and expires as a test asks, and keeps every request."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from tests.support.loopback import Handler, serving

ACCOUNT = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/app/AgentSession"
CONTAINER_KEY = "ASIACONTAINERROLE001"
SECRET = "PLANTEDsecret/answer+key"
TOKEN = "PLANTEDtoken/answer=="
XMLNS = "https://sts.amazonaws.com/doc/2011-06-15/"


@dataclass(frozen=True)
class Reply:
    """One HTTP answer. `drop` closes it half-way, `delay` waits first, `drip` waits after every byte."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: bool = False
    drip: float = 0.0


@dataclass(frozen=True)
class Request:
    """One request as it came: the form of the query protocol, and who signed it."""

    form: dict[str, str]
    signed_by: str

    @property
    def action(self) -> str:
        """Return the operation."""
        return self.form["Action"]

    @property
    def tags(self) -> dict[str, str]:
        """Return the session tags."""
        keys = (name for name in self.form if name.endswith(".Key"))
        return {self.form[name]: self.form[name.removesuffix("Key") + "Value"] for name in keys}


class StandInSts:
    """
    Answers AssumeRole, GetScopedCredentials and GetCallerIdentity correctly until `behave` is replaced.

    Attributes:
        now: The time by which expiries are made.
        requests: Every request, in order of arrival.
        served: The access key of every call to another service, as DynamoDB would see it.
        behave: Called with each request; returns the answer, or nothing for the correct one.
    """

    def __init__(self) -> None:
        self.url = ""
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.requests: list[Request] = []
        self.behave: Callable[[Request], Reply | None] = lambda _: None
        self.served: list[str] = []
        self._issued = 0
        self._ends: dict[str, datetime] = {}
        self._identities: dict[str, str] = {}
        self._layers: dict[str, int] = {}
        self._lock = threading.Lock()

    def count(self, action: str = "AssumeRole") -> int:
        """Return how many requests for an action came."""
        return sum(request.action == action for request in self.requests)

    def reply(self, request: Request) -> Reply:
        """Note a request and make its answer."""
        with self._lock:
            self.requests.append(request)
        told = self.behave(request)
        if told is not None:
            return told
        answers = {"GetCallerIdentity": self.identity, "GetScopedCredentials": self.scoped}
        return answers.get(request.action, self.assumed)(request)

    def serve(self, signed_by: str) -> Reply:
        """Answer a call to another service, which refuses keys that are unknown or have expired."""
        self.served.append(signed_by)
        if signed_by not in self._ends:
            return Reply('{"__type": "x#UnrecognizedClientException"}', 400)
        if self.now() >= self._ends[signed_by]:
            return Reply('{"__type": "x#ExpiredTokenException"}', 400)
        return Reply("{}")

    def assumed(self, request: Request, *, lasts: float | None = None, arn: str | None = None) -> Reply:
        """Return a correct AssumeRole answer, or one that differs in the parts given."""
        seconds = float(request.form.get("DurationSeconds", 3600)) if lasts is None else lasts
        user = arn or assumed_arn(request.form["RoleArn"], request.form["RoleSessionName"])
        key, expiration, number = self._issue(user, seconds)
        return Reply(assume_role_xml(key, expiration, user, suffix=str(number), action=request.action))

    def scoped(
        self, request: Request, *, arn: str | None = None, lasts: float | None = None, count: int | None = None
    ) -> Reply:
        """Return a correct GetScopedCredentials answer, or one that differs in the parts given."""
        caller = request.signed_by
        if caller not in self._identities:
            return error("InvalidSubjectCredentials", 400)
        left = (self._ends[caller] - self.now()).total_seconds()
        asked = float(request.form.get("DurationSeconds", left))
        if asked > left:
            return error("InsufficientSessionLifetime", 400)
        layers = self._layers.get(caller, 0) + ("Policy" in request.form)
        if layers > 3:
            return error("AccessDenied", 403)
        key, expiration, number = self._issue(self._identities[caller], asked if lasts is None else lasts)
        self._layers[key] = layers
        counted, user = layers if count is None else count, arn or self._identities[caller]
        return Reply(
            f'<GetScopedCredentialsResponse xmlns="{XMLNS}"><GetScopedCredentialsResult><SessionInfo>'
            f"<ScopedSessionId>AROAEXAMPLE:x</ScopedSessionId><Arn>{user}</Arn></SessionInfo>"
            f"{_credentials_xml(key, expiration, str(number))}<ScopedPoliciesCount>{counted}</ScopedPoliciesCount>"
            "</GetScopedCredentialsResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>"
            "</GetScopedCredentialsResponse>"
        )

    def _issue(self, user: str, seconds: float) -> tuple[str, str, int]:
        """Return the access key of a new set, its expiration and its number."""
        with self._lock:
            self._issued += 1
            number = self._issued
        key = f"ASIATASKKEY{number:09d}"
        self._identities[key] = user
        self._ends[key] = self.now() + timedelta(seconds=seconds)
        return key, self._ends[key].strftime("%Y-%m-%dT%H:%M:%SZ"), number

    def identity(self, request: Request, *, arn: str | None = None) -> Reply:
        """Return the identity that signed the request, or the one given."""
        known = arn or self._identities.get(request.signed_by, f"arn:aws:sts::{ACCOUNT}:assumed-role/Compute/i-1")
        return Reply(
            f'<GetCallerIdentityResponse xmlns="{XMLNS}"><GetCallerIdentityResult><Arn>{known}</Arn>'
            f"<UserId>AROA:x</UserId><Account>{ACCOUNT}</Account></GetCallerIdentityResult>"
            "<ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
        )


def assumed_arn(role_arn: str, session_name: str) -> str:
    """Return the session ARN as AWS writes it: without the role's path."""
    account, name = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    return f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}"


def assume_role_xml(key: str, expiration: str, arn: str, *, suffix: str = "", action: str = "AssumeRole") -> str:
    """Return the body of an AssumeRole answer; the three parts of one set end in the same suffix."""
    return (
        f'<{action}Response xmlns="{XMLNS}"><{action}Result><AssumedRoleUser>'
        f"<AssumedRoleId>AROAEXAMPLE:x</AssumedRoleId><Arn>{arn}</Arn></AssumedRoleUser>"
        f"{_credentials_xml(key, expiration, suffix)}</{action}Result><ResponseMetadata><RequestId>r</RequestId>"
        f"</ResponseMetadata></{action}Response>"
    )


def _credentials_xml(key: str, expiration: str, suffix: str) -> str:
    return (
        f"<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{SECRET}{suffix}</SecretAccessKey>"
        f"<SessionToken>{TOKEN}{suffix}</SessionToken><Expiration>{expiration}</Expiration></Credentials>"
    )


def error(code: str, status: int, message: str = "no") -> Reply:
    """Return an error in the form STS gives it."""
    return Reply(
        f'<ErrorResponse xmlns="{XMLNS}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{message}</Message></Error><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ErrorResponse>",
        status,
    )


class _Handler(Handler):
    sts: StandInSts

    def respond(self) -> None:
        body = self.content().decode()
        if self.command == "GET":
            reply = Reply(_container_keys())
        elif "X-Amz-Target" in self.headers:
            reply = self.sts.serve(self.signed_by())
        else:
            form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
            reply = self.sts.reply(Request(form, self.signed_by()))
        headers = {"Content-Type": "text/xml", **reply.headers}
        self.answer(reply.body, reply.status, headers, delay=reply.delay, drop=reply.drop, drip=reply.drip)


def _container_keys() -> str:
    """Answer as the container credential endpoint: the compute role's keys."""
    expiration = (datetime.now(UTC) + timedelta(hours=6)).strftime("%Y-%m-%dT%H:%M:%SZ")
    keys = {"AccessKeyId": CONTAINER_KEY, "SecretAccessKey": "x", "Token": "x", "Expiration": expiration}
    return json.dumps(keys)


@contextmanager
def running_sts() -> Iterator[StandInSts]:
    """Run a stand-in on a free loopback port for the length of the block."""
    sts = StandInSts()
    with serving(_Handler, sts=sts) as sts.url:
        yield sts
