"""
The credential endpoint of a task's child processes: what ECS serves a container, on loopback, for one session.

Sources:
    AWS SDKs and Tools Reference Guide, Container credential provider; botocore `ContainerProvider`; AWS SDK for
    JavaScript `credential-provider-http`. None of them goes on to another source when the endpoint answers an error.
"""

import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

from session_scoping.agent.children.environment import past_proxies, without_credentials
from session_scoping.agent.errors import Failure, TaskCredentialsError
from session_scoping.agent.session.credential_set import CredentialSet
from session_scoping.agent.session.task_session import TaskSession
from session_scoping.contract.errors import InvalidInputError

_HOST = "127.0.0.1"
_PATH = "/credentials"
_ANSWER_SECONDS = 0.8
"""The endpoint answers in this time, with an error if need be: the SDK for JavaScript waits a second, botocore two."""

_NOT_YET = Failure(
    "Timeout",
    f"none within {_ANSWER_SECONDS} seconds",
    "new credentials from their source",
    "ask again, as SDKs do by themselves; the parent's standard error says more",
)


@contextmanager
def child_environment(session: TaskSession, *, parent: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """
    Serve a session's credentials to child processes while the block runs; yield the environment to start them with.

    The children share the session and its refresh. The environment names one source of AWS credentials: where they
    cannot be had, and after the block, a child fails. A hostile child is not contained: it reads what this user can.

        with child_environment(session) as environment:
            subprocess.run(["coding-cli"], env=environment, check=True)

    Args:
        session: The task's session, or one derived from it with less.
        parent: The environment to start from. Default: this process's.

    Raises:
        InvalidInputError: `session` is no TaskSession.
        OSError: Loopback has no free port.
    """
    if not isinstance(session, TaskSession):
        raise InvalidInputError(
            "child processes cannot be given this session",
            got=f"a {type(session).__name__}",
            expected="a TaskSession",
            why="other credentials reach beyond the task",
            fix="build a TaskSession, or derive one with less",
        )
    inherited = os.environ if parent is None else parent
    with _Server(session) as server:
        # At the default interval the end would be waited for up to half a second.
        thread = threading.Thread(
            target=server.serve_forever, args=(0.05,), daemon=True, name="session-scoping-endpoint"
        )
        thread.start()
        try:
            yield {
                **_regions(session.boto3_session.region_name),
                **without_credentials(inherited),
                **past_proxies(inherited, _HOST),
                **server.variables,
            }
        finally:
            server.shutdown()
            thread.join()


def _regions(region_name: str | None) -> dict[str, str]:
    # boto3 reads the one, JavaScript the other, and no profile is left that could say it.
    return {} if region_name is None else dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), region_name)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # of the default's five, a sixth child that connects at once waits a second
    block_on_close = False

    def __init__(self, session: TaskSession) -> None:
        super().__init__((_HOST, 0), _Handler)
        self._session = session
        self._lock = threading.Lock()
        self._asking: Future[dict[str, str]] | None = None
        self._token = secrets.token_urlsafe(32)

    def server_bind(self) -> None:
        """Bind without a look-up of the host's name, for which the standard library asks DNS."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = _HOST, self.server_address[1]

    @property
    def variables(self) -> dict[str, str]:
        """What leads an SDK here. Source: AWS SDKs and Tools Reference Guide, Container credential provider."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{_HOST}:{self.server_port}{_PATH}",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": self._token,
        }

    def answer(self, path: str, token: str) -> tuple[HTTPStatus, dict[str, str]]:
        """Return the status and the body of an answer."""
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode()):
            return HTTPStatus.UNAUTHORIZED, _failure(
                "Unauthorized", "the authorization token is missing or another one"
            )
        if path != _PATH:
            return HTTPStatus.NOT_FOUND, _failure("NotFound", f"credentials are served at {_PATH}")
        try:
            return HTTPStatus.OK, self._keys_in_time()
        except TaskCredentialsError as error:
            # SDKs ask again after a 503, as botocore and JavaScript do after any error.
            status = HTTPStatus.SERVICE_UNAVAILABLE if error.transient else HTTPStatus.FORBIDDEN
            return status, _failure(error.reason, str(error))
        except Exception as error:
            return HTTPStatus.INTERNAL_SERVER_ERROR, _failure("Unexpected", f"unexpected {type(error).__name__}")

    def _keys_in_time(self) -> dict[str, str]:
        """Return the keys, or raise; who comes while another is waiting for them waits with it."""
        with self._lock:
            asking = self._asking
            if asking is None or asking.done():
                asking = self._asking = Future()
                threading.Thread(target=self._ask, args=(asking,), daemon=True, name="session-scoping-child").start()
        try:
            return asking.result(_ANSWER_SECONDS)
        except TimeoutError:
            raise TaskCredentialsError(_NOT_YET) from None

    def _ask(self, asking: "Future[dict[str, str]]") -> None:
        try:
            asking.set_result(self._keys())
        except Exception as error:
            asking.set_exception(error)

    def _keys(self) -> dict[str, str]:
        credentials: Any = self._session.boto3_session.get_credentials()
        found: CredentialSet = credentials.current()
        account = credentials.get_frozen_credentials().account_id  # the same for every set
        return {
            "AccessKeyId": found.access_key_id,
            "SecretAccessKey": found.secret_access_key,
            "Token": found.session_token,
            "Expiration": found.expiration.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **({} if account is None else {"AccountId": account}),
        }

    def handle_error(self, *_: object) -> None:
        """Say nothing: a child that hung up is no news, and standard error is the children's."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 10  # for a client that connects and says nothing

    def do_GET(self) -> None:
        status, body = self.server.answer(self.path, self.headers.get("Authorization", ""))
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _failure(code: str, message: str) -> dict[str, str]:
    return {"Code": code, "Message": message}
