"""What every stand-in is made of: a server on a free loopback port, and its answers."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Server(ThreadingHTTPServer):
    """A server whose end also ends the answers that are under way."""

    request_queue_size = 128  # of the default's five, a sixth thread that connects at once waits a second

    def __init__(self, handler: type["Handler"]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.closing = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """One exchange on a connection of its own, so that no client meets a connection the server has just closed."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        """Serve a request; every method alike."""
        self.respond()

    do_GET = do_PUT = do_POST  # noqa: N815 - the base class's names

    def respond(self) -> None:
        """Call `answer` once."""
        raise NotImplementedError

    def content(self) -> bytes:
        """Return the request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def signed_by(self) -> str:
        """Return the access key that signed the request."""
        return self.headers.get("Authorization", "").partition("Credential=")[2].partition("/")[0]

    def answer(
        self,
        body: str,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        *,
        delay: float = 0.0,
        drop: bool = False,
        drip: float = 0.0,
    ) -> None:
        """Send an answer, `delay` seconds late, with `drip` seconds after each byte, broken off half-way for `drop`."""
        content = body.encode()
        pause = self.server.closing.wait
        pause(delay)
        with suppress(OSError):  # the client gave up waiting
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(content)), "Connection": "close"}.items():
                self.send_header(name, value)
            self.end_headers()
            for byte in content if drip else ():
                self.wfile.write(bytes([byte]))
                if pause(drip):
                    return
            self.wfile.write(b"" if drip else content[: len(content) // 2] if drop else content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(handler: type[Handler], **attributes: object) -> Iterator[str]:
    """Serve for the length of the block, by a handler with these attributes; yield the address."""
    server = Server(type("Handler", (handler,), attributes))
    # At the default interval each end would be waited for up to half a second.
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
