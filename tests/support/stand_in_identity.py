"""A stand-in for AgentCore Identity and Secrets Manager on loopback; keeps every request."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.loopback import Handler, serving

WORKLOAD_TOKEN = "PLANTEDworkloadToken"
ACCESS_TOKEN = "PLANTEDaccessToken"
API_KEY = "PLANTEDapiKey"
SHARED_SECRET = "PLANTEDsharedSecret"
CONSENT_URL = "https://example.com/consent?PLANTEDstate"
SESSION_URI = "urn:ietf:params:oauth:request_uri:abc"
REQUEST_ID = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True)
class Asked:
    """One request: the operation, its body, and whose access key signed it."""

    operation: str
    body: dict[str, Any]
    signed_by: str


Answer = tuple[int, dict[str, Any], str]
"""Status, body, and the code of an error."""


@dataclass
class StandInIdentity:
    """Answers every operation until `behave` says otherwise."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    behave: Callable[[Asked], Answer | None] = lambda _: None

    def operations(self) -> list[str]:
        """Return what was asked, in order."""
        return [one.operation for one in self.asked]

    def answer(self, asked: Asked) -> Answer:
        """Note a request and answer it."""
        self.asked.append(asked)
        if found := self.behave(asked):
            return found
        name = asked.operation
        if name.startswith("GetWorkloadAccessToken"):
            return 200, {"workloadAccessToken": WORKLOAD_TOKEN}, ""
        bodies: dict[str, dict[str, Any]] = {
            "oauth2/token": {"accessToken": ACCESS_TOKEN},
            "api-key": {"apiKey": API_KEY},
            "CompleteResourceTokenAuth": {},
            "secretsmanager.GetSecretValue": {"SecretString": SHARED_SECRET},
        }
        return 200, bodies[name], ""


class _Handler(Handler):
    stand_in: StandInIdentity

    def respond(self) -> None:
        body = json.loads(self.content() or b"{}")
        operation = self.headers.get("X-Amz-Target", "") or self.path.removeprefix("/identities/")
        status, answer, code = self.stand_in.answer(Asked(operation, body, self.signed_by()))
        headers = {"Content-Type": "application/json", "x-amzn-RequestId": REQUEST_ID}
        self.answer(json.dumps(answer), status, headers | ({"x-amzn-ErrorType": code} if code else {}))


@contextmanager
def running_identity() -> Iterator[StandInIdentity]:
    """Run the stand-in on a free port of loopback."""
    stand_in = StandInIdentity()
    with serving(_Handler, stand_in=stand_in) as stand_in.url:
        yield stand_in
