"""A stand-in for AgentCore Identity and Secrets Manager on loopback; keeps every request."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

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


@contextmanager
def running_identity() -> Iterator[StandInIdentity]:
    """Run the stand-in on a free port of loopback."""
    stand_in = StandInIdentity()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            target = self.headers.get("X-Amz-Target", "")
            operation = target or self.path.removeprefix("/identities/")
            signed_by = self.headers["Authorization"].partition("Credential=")[2].partition("/")[0]
            status, answer, code = stand_in.answer(Asked(operation, body, signed_by))
            raw = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.send_header("x-amzn-RequestId", REQUEST_ID)
            if code:
                self.send_header("x-amzn-ErrorType", code)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stand_in.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield stand_in
    finally:
        server.shutdown()
        server.server_close()
