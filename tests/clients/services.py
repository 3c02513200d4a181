"""A stand-in for every AWS service on loopback: it notes who signed a request, and answers or passes it on to moto."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.support.loopback import Handler, serving

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length"}


@dataclass(frozen=True)
class Call:
    """One request: the service it was signed for, the access key that signed it, and how it was authorized."""

    service: str
    signed_by: str
    scheme: str
    method: str
    path: str


@dataclass(frozen=True)
class Answer:
    """One answer."""

    body: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] | None = None


class Services:
    """
    Every service at one address.

    Attributes:
        url: The address, for AWS_ENDPOINT_URL.
        calls: Every request, in order of arrival.
        answers: Service -> what answers its requests. Default: moto where there is one, else an empty JSON object.
        moto: The address of a moto server; empty for none.
    """

    def __init__(self) -> None:
        self.url = self.moto = ""
        self.calls: list[Call] = []
        self.answers: dict[str, Callable[[Call], Answer]] = {}

    def signers(self, service: str | None = None) -> set[str]:
        """Return the access keys that signed the requests to a service, or to all; the empty key for a bearer token."""
        return {call.signed_by for call in self.calls if service in {None, call.service}}


class _Handler(Handler):
    services: Services

    def respond(self) -> None:
        content = self.content()
        scheme, _, rest = self.headers.get("Authorization", "").partition(" ")
        scope = rest.partition("Credential=")[2].partition(",")[0].split("/")
        service = scope[3] if len(scope) > 3 else "?"
        call = Call(service, self.signed_by(), scheme, self.command, self.path)
        self.services.calls.append(call)
        if answer := self.services.answers.get(service):
            self._send(answer(call))
        elif self.services.moto:
            self._send(self._passed_on(content))
        else:
            self._send(Answer())

    do_DELETE = do_HEAD = do_PATCH = Handler.do_POST  # noqa: N815 - the base class's names

    def _passed_on(self, content: bytes) -> Answer:
        connection = HTTPConnection(urlsplit(self.services.moto).netloc, timeout=60)
        try:
            connection.request(self.command, self.path, content, dict(self.headers))
            found = connection.getresponse()
            headers = {name: value for name, value in found.getheaders() if name.lower() not in _HOP_BY_HOP}
            length = found.getheader("Content-Length")
            if self.command == "HEAD" and length:
                headers["Content-Length"] = length
            return Answer(found.read(), found.status, headers)
        finally:
            connection.close()

    def _send(self, answer: Answer) -> None:
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(answer.body)),
            **(answer.headers or {}),
        }
        with suppress(OSError):
            self.send_response(answer.status)
            for name, value in {**headers, "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)


@contextmanager
def running_services() -> Iterator[Services]:
    """Run the stand-in on a free loopback port for the length of the block."""
    services = Services()
    with serving(_Handler, services=services) as services.url:
        yield services
