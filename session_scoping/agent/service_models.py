"""One store of botocore's service models for all sessions of the process, whatever the number of tasks."""

from functools import lru_cache
from typing import Any

import botocore.session
from botocore.loaders import Loader, create_loader

from session_scoping.agent.session.fork_lock import ForkSafeLock

_lock = ForkSafeLock()  # botocore's loader is not thread-safe: it completes a model after it has stored it


def share_models(session: botocore.session.Session) -> None:
    """
    Let a session read botocore's service models from the process's store instead of loading its own.

    The models are the same files for every task; clients, events and every cache of botocore that holds what a service
    answered stay the session's own.

    **Not protected:** a model is one object for all tasks. Code that changes `client.meta.service_model` changes it for
    each of them.
    """
    # Late, as botocore does it: reading AWS_DATA_PATH reads the profile too, which may be one that cannot be read.
    session.lazy_register_component("data_loader", lambda: _SessionLoader(session.get_config_variable("data_path")))


def knows_operation(service_name: str, operation: str) -> bool:
    """Whether the models that botocore comes with know an operation, whatever AWS_DATA_PATH or a profile adds."""
    return operation in _SessionLoader(None).load_service_model(service_name, "service-2")["operations"]


class _SessionLoader(Loader):
    """
    A loader with search paths of its own, for boto3 adds to them, that reads through the store of those paths.

    Args:
        data_path: As AWS_DATA_PATH gives it. Default: botocore's own paths.
    """

    def __init__(self, data_path: str | None) -> None:
        super().__init__(create_loader(data_path).search_paths, include_default_search_paths=False)

    def list_available_services(self, type_name: str) -> Any:
        with _lock:
            return self._store().list_available_services(type_name)

    def determine_latest_version(self, service_name: str, type_name: str) -> Any:
        with _lock:
            return self._store().determine_latest_version(service_name, type_name)

    def list_api_versions(self, service_name: str, type_name: str) -> Any:
        with _lock:
            return self._store().list_api_versions(service_name, type_name)

    def load_service_model(self, service_name: str, type_name: str, api_version: str | None = None) -> Any:
        with _lock:
            return self._store().load_service_model(service_name, type_name, api_version)

    def load_data_with_path(self, name: str) -> Any:
        with _lock:
            return self._store().load_data_with_path(name)

    def _store(self) -> Loader:
        return _store_of(tuple(dict.fromkeys(self.search_paths)))


@lru_cache(maxsize=8)  # one, unless somebody adds search paths
def _store_of(search_paths: tuple[str, ...]) -> Loader:
    return Loader(list(search_paths), include_default_search_paths=False)
