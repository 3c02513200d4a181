"""Fixtures that every test of the wire shares."""

from tests.support.task import (  # noqa: F401 - fixtures
    moto_of_the_run,
    moto_url,
    own_default_session,
    service_models,
)
