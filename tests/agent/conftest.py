"""Fixtures of one task, and compute roles that are assumed themselves."""

from pathlib import Path

import pytest

from tests.support.task import (  # noqa: F401 - fixtures
    AMBIENT_KEY,
    AMBIENT_SECRET,
    ambient,
    clock,
    logs,
    make_session,
    moto_of_the_run,
    moto_url,
    own_default_session,
    service_models,
    session,
    sts,
)


def assumed_compute_role(*, by_profile: bool, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the compute role one that STS gives, by a profile or by a web identity, with retries asked for."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "3")
    role = "arn:aws:iam::123456789012:role/Compute"
    if by_profile:
        file = folder / "config"
        file.write_text(
            f"[default]\nrole_arn = {role}\nsource_profile = base\n"
            f"[profile base]\naws_access_key_id = {AMBIENT_KEY}\naws_secret_access_key = {AMBIENT_SECRET}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    else:
        (folder / "token").write_text("web-identity-token")
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(folder / "token"))
        monkeypatch.setenv("AWS_ROLE_ARN", role)
