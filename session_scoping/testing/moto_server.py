"""The moto server that plays AWS in a test, the environment that leads there, and the refusal of any other endpoint."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from ipaddress import ip_address
from urllib.parse import urlsplit

from session_scoping.contract.errors import InvalidInputError, MissingExtraError

OWNER = "owner"
"""Access key and secret of the owner of the account: moto takes any."""

MISLEADING = ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_PROFILE", "AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN")
"""Variables that would lead past the endpoint or the keys of `settings`."""


@contextmanager
def moto_server() -> Iterator[str]:
    """
    Run a moto server on a free loopback port and yield its URL.

    Raises:
        MissingExtraError: moto is not installed.
    """
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        raise MissingExtraError(
            f'a moto server needs moto[server] ({error}); fix: pip install "session-scoping[testing]"'
        ) from error
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def empty(url: str) -> None:
    """Delete everything in a moto server. All servers of a process share what they hold."""
    connection = HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", "/moto-api/reset")
    connection.getresponse().read()
    connection.close()


def settings(url: str, region: str) -> dict[str, str]:
    """Return the environment in which boto3 calls moto, with keys that play the compute role's."""
    keys = {"AWS_ACCESS_KEY_ID": OWNER, "AWS_SECRET_ACCESS_KEY": OWNER}
    return {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": region, "AWS_REGION": region, **keys}


def configured_url() -> str | None:
    """Return the endpoint the environment names for all services."""
    if os.environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        return None
    return os.environ.get("AWS_ENDPOINT_URL") or None


def refuse_aws(url: str) -> None:
    """
    Refuse a request that would leave the machine, whatever keys it is signed with.

    Raises:
        InvalidInputError: The host is not loopback.
    """
    host = urlsplit(url).hostname or ""
    if not _is_loopback(host):
        raise InvalidInputError(
            "a request would leave the machine",
            got=f"host `{host}`",
            expected="a moto server on localhost, 127.0.0.1 or ::1",
            why="it would reach AWS with whatever keys are at hand",
            fix="take out the client's own endpoint, or set AWS_ENDPOINT_URL to a server on loopback",
        )


def _is_loopback(host: str) -> bool:
    # A bucket's name may come before `localhost`; RFC 6761, 6.3 keeps every name under it on the machine.
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
