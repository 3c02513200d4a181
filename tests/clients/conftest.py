"""One task and every AWS service on loopback, with ambient credentials of several kinds in the environment."""

from collections.abc import Iterator

import pytest

from tests.clients.services import Services, running_services
from tests.support.task import (  # noqa: F401 - fixtures
    AMBIENT_KEY,
    ambient,
    clock,
    logs,
    make_session,
    own_default_session,
    service_models,
    session,
    sts,
)


@pytest.fixture
def services(sts: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:  # noqa: F811, ARG001 - STS has its own
    """Run every service but STS, and put a Bedrock bearer token where botocore looks for one."""
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "PLANTED-bearer-token")
    with running_services() as found:
        monkeypatch.setenv("AWS_ENDPOINT_URL", found.url)
        yield found


def only_the_task_signed(services: Services, *names: str) -> None:
    """Check that there were calls, to these services among others, and that the task's keys signed every one."""
    assert services.calls
    assert {call.service for call in services.calls} >= set(names)
    assert {call.scheme for call in services.calls} == {"AWS4-HMAC-SHA256"}
    assert all(key.startswith("ASIATASKKEY") for key in services.signers()), services.calls
    assert AMBIENT_KEY not in services.signers()
