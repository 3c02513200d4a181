"""The demonstration's attack: what a process with the compute role's credentials gets in each way of minting."""

from typing import Any

import pytest

from examples import hostile_process, isolation_demo
from session_scoping.testing.moto_server import moto_server, settings

FIXTURES = {
    "compute": "compute_template",
    "orchestrator": "orchestrator_template",
    "credentialBroker": "credential_broker_template",
    "webIdentity": "web_identity_template",
}


@pytest.mark.parametrize("mode", hostile_process.MODES)
def test_only_where_compute_roles_mint_can_a_hostile_process_mint(
    mode: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It mints anybody's session in self-minting mode, and is denied in every other."""
    template: dict[str, Any] = request.getfixturevalue(FIXTURES[mode])
    with moto_server() as url:
        for name, value in settings(url, isolation_demo.REGION).items():
            monkeypatch.setenv(name, value)
        answer = hostile_process.attack(template, isolation_demo.BOB, region=isolation_demo.REGION)
    assert answer == ("done" if mode == "compute" else "AccessDenied")
