"""Run the service under uvicorn against the local enforcement, and let two users at it."""

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

from examples.fastapi_service.app import build
from examples.fastapi_service.service import create_app
from examples.local_aws import Checks, local_aws, owner, synthesized

USERS = ("alice", "bob")


@contextmanager
def served() -> Iterator[str]:
    """Serve on a free port of loopback, and yield the URL."""
    app = create_app({f"{user}-login": user for user in USERS})
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def main(template: Mapping[str, Any]) -> int:
    """Return 0 when each user reached their own notes and nobody else's."""
    checks = Checks()
    with local_aws(template) as policies:
        os.environ |= {
            "NOTES_TABLE": policies.name("Notes"),
            "AGENT_SESSION_ROLE_ARN": policies.arn("SessionRole"),
            "AGENT_SESSION_TAG_KEYS": "user_id",
        }
        with policies.as_role("ServiceRole"), served() as url:
            as_users(url, checks)
        minted = [one for one in policies.log if one.action == "sts:AssumeRole"]
        checks.show("sessions made for 48 requests that came with a login", len(minted), expected=2)
        rows = owner().client("dynamodb").scan(TableName=policies.name("Notes"))["Items"]
        checks.show(
            "notes in the table afterwards", sorted(row["text"]["S"] for row in rows), expected=["of alice", "of bob"]
        )
    return min(checks.wrong, 1)


def as_users(url: str, checks: Checks) -> None:
    """Send every request of the two users, and some of nobody."""
    logged_in = {user: httpx.Client(base_url=url, headers={"Authorization": f"Bearer {user}-login"}) for user in USERS}
    for me, other in (USERS, USERS[::-1]):
        client, own, theirs = logged_in[me], f"/users/{me}/notes", f"/users/{other}/notes"
        answer = client.put(f"{own}/1", params={"text": f"of {me}"}).status_code
        checks.show(f"{me} PUT {own}/1", answer, expected=200)
        checks.show(f"{me} GET {own}", client.get(own).json(), expected=[f"of {me}"])
        checks.show(f"{me} GET {theirs}", client.get(theirs).status_code, expected=403)
        answer = client.put(f"{theirs}/1", params={"text": "stolen"}).status_code
        checks.show(f"{me} PUT {theirs}/1", answer, expected=403)
    checks.show("a stranger GET /users/alice/notes", httpx.get(f"{url}/users/alice/notes").status_code, expected=401)
    with ThreadPoolExecutor(8) as threads:
        several = [threads.submit(logged_in[me].get, f"/users/{me}/notes") for _ in range(20) for me in USERS]
        answers = [one.result().json() for one in several]
    checks.show(
        "40 requests at once, each got its own user's notes", answers == [["of alice"], ["of bob"]] * 20, expected=True
    )


if __name__ == "__main__":
    sys.exit(main(synthesized(build)))
