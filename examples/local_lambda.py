"""Local Lambda for the examples: Invoke runs a handler in this process, under the policies of the function's role."""

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from session_scoping.testing.enforcement import EnforcedPolicies


@dataclass(frozen=True)
class Function:
    """
    A function of the example.

    Attributes:
        role: Construct path of the role it runs under.
        handler: Its code.
    """

    role: str
    handler: Callable[[Any, Any], Any]


class Context:
    """What a handler is told besides its event."""

    aws_request_id = "local"

    def get_remaining_time_in_millis(self) -> int:
        """Return 15 seconds."""
        return 15_000


@contextmanager
def local_lambda(policies: EnforcedPolicies, functions: Mapping[str, Function]) -> Iterator[None]:
    """
    Answer Invoke for functions by their physical names, until the block ends.

    One at a time: while a function runs, requests with no session's keys are those of its role.
    """

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            name = unquote(self.path).split("/functions/")[1].removesuffix("/invocations").rpartition(":")[2]
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with policies.as_role(functions[name].role):
                body = json.dumps(functions[name].handler(event, Context())).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    os.environ["AWS_ENDPOINT_URL_LAMBDA"] = f"http://127.0.0.1:{server.server_port}"
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
