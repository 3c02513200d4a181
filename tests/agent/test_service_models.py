"""One store of service models for all sessions, and nothing else that one task could see of another."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any

import boto3
import botocore.loaders
import botocore.session
import pytest

from session_scoping import SessionTags
from session_scoping.agent import TaskSession
from session_scoping.agent.service_models import share_models
from tests.support.stand_in_sts import StandInSts
from tests.support.task import LONG, key_of

Make = Callable[..., TaskSession]
OTHER = SessionTags(user_id="u", repo="r", task_id="other-task")


@pytest.fixture(autouse=True)
def a_loader_for_each_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the store each botocore session has a loader of its own, as outside the tests."""
    monkeypatch.setattr("botocore.session.create_loader", botocore.loaders.create_loader)


def loader_of(session: TaskSession) -> Any:
    """Return the loader of a session, as boto3 asks for it."""
    return session.boto3_session._session.get_component("data_loader")


def parsed_files(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that gets the path of every file that is parsed from here on."""
    parsed: list[str] = []
    load = botocore.loaders.JSONFileLoader.load_file

    def noted(loader: Any, path: str) -> Any:
        parsed.append(path)
        return load(loader, path)

    monkeypatch.setattr(botocore.loaders.JSONFileLoader, "load_file", noted)
    return parsed


def test_sessions_read_one_model(make_session: Make) -> None:
    """The model of a service is the same object in two sessions, of tasks that know nothing of each other."""
    first, second = (loader_of(make_session(tags)) for tags in (OTHER, OTHER))
    assert first is not second
    assert first.load_service_model("sts", "service-2") is second.load_service_model("sts", "service-2")
    assert first.load_data("_retry") is second.load_data("_retry")


def test_sources_of_credentials_read_it_too(
    make_session: Make, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session that has assumed its role has parsed no model that another one had parsed before."""
    key_of(make_session())
    parsed = parsed_files(monkeypatch)
    key_of(make_session(OTHER))
    assert sts.count() == 2
    assert parsed == []


def test_search_paths_of_the_store_do_not_grow(make_session: Make) -> None:
    """boto3 adds its own path to the loader of each session; the store that is read stays the same one."""
    first = make_session()
    before = loader_of(first).load_service_model("dynamodb", "resources-1")
    for _ in range(5):
        boto3.Session(botocore_session=first.boto3_session._session)
    last = make_session(OTHER)
    assert loader_of(last).load_service_model("dynamodb", "resources-1") is before
    assert len(loader_of(last).search_paths) <= 4


def test_a_path_that_one_task_adds_is_not_searched_for_another(make_session: Make, tmp_path: Path) -> None:
    """A model of a task's own, in a path it added, is unknown to every other session."""
    model = tmp_path / "planted" / "2026-01-01"
    model.mkdir(parents=True)
    (model / "service-2.json").write_text('{"metadata": {}}')
    task, other = loader_of(make_session()), loader_of(make_session(OTHER))
    other.list_available_services("service-2")
    task.search_paths.append(str(tmp_path))
    assert "planted" in task.list_available_services("service-2")
    assert "planted" not in other.list_available_services("service-2")


def test_aws_data_path_counts(make_session: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_DATA_PATH is searched first, as in botocore, for sessions made while it is set and for no others."""
    model = tmp_path / "planted" / "2026-01-01"
    model.mkdir(parents=True)
    (model / "service-2.json").write_text('{"metadata": {}}')
    with monkeypatch.context() as patch:
        patch.setenv("AWS_DATA_PATH", str(tmp_path))
        assert loader_of(make_session()).determine_latest_version("planted", "service-2") == "2026-01-01"
    assert "planted" not in loader_of(make_session()).list_available_services("service-2")


def test_threads_complete_a_model_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of fifty threads that ask for a model at the same time one parses it, and all get it complete."""
    model = tmp_path / "planted" / "2026-01-01"
    model.mkdir(parents=True)
    (model / "service-2.json").write_text('{"metadata": {}}')
    (model / "service-2.sdk-extras.json").write_text('{"version": 1.0, "merge": {"metadata": {"extra": "yes"}}}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    parsed = parsed_files(monkeypatch)
    found: list[Any] = []

    def ask() -> None:
        session = botocore.session.Session()
        share_models(session)
        found.append(session.get_component("data_loader").load_service_model("planted", "service-2")["metadata"])

    threads = [Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert found == [{"extra": "yes"}] * 50
    assert len([path for path in parsed if os.path.basename(path) == "service-2"]) == 1  # noqa: PTH119


def test_handlers_of_one_task_see_no_call_of_another(make_session: Make) -> None:
    """A handler on a session, or on a client, is called for that task's requests alone."""
    seen: list[str] = []
    task, other = make_session(), make_session(OTHER)
    task.boto3_session.events.register("provide-client-params.*", lambda **_: seen.append("session"))
    client = task.client("dynamodb")
    client.meta.events.register("provide-client-params.*", lambda **_: seen.append("client"))
    for session in (other, make_session(OTHER)):
        with pytest.raises(ValueError, match="stop"):
            stopped(session).list_tables()
    assert seen == []
    with pytest.raises(ValueError, match="stop"):
        stop(client).list_tables()
    assert sorted(seen) == ["client", "session"]


def stopped(session: TaskSession) -> Any:
    """Return a client of a session that sends nothing."""
    return stop(session.client("dynamodb"))


def stop(client: Any) -> Any:
    """Let a client fail before it sends."""

    def fail(**_: object) -> None:
        raise ValueError("stop")

    client.meta.events.register("before-call", fail)
    return client


@pytest.mark.parametrize(
    "cache",
    [
        lambda client: client._ruleset_resolver,
        lambda client: client._endpoint,
        lambda client: client._request_signer,
        lambda client: client.meta.events,
        lambda client: client.meta.service_model,
        lambda client: client.meta.config,
        lambda client: client._serializer,
    ],
)
def test_what_a_client_remembers_is_its_own(cache: Callable[[Any], object], make_session: Make) -> None:
    """Endpoints, signers, identities and Regions that a client has learned are not another client's."""
    first, second = make_session().client("s3"), make_session(OTHER).client("s3")
    assert cache(first) is not cache(second)


def test_an_express_identity_is_asked_for_by_each_task(make_session: Make, sts: StandInSts) -> None:
    """One cache of the process holds all clients' S3 Express sessions: a bucket's entry is found by its own client."""
    signed: list[str] = []

    def answer(request: Any, **_: object) -> None:
        signed.append(request.headers["Authorization"].split(b"Credential=")[1].split(b"/")[0].decode())
        raise ValueError("stop")

    for session in (make_session(), make_session(OTHER)):
        client = session.client("s3")
        client.meta.events.register("before-send.s3.CreateSession", answer)
        for _ in range(2):
            with pytest.raises(ValueError, match="stop"):
                client.get_object(Bucket="planted--euw1-az1--x-s3", Key="k")
    assert len(set(signed)) == 2
    assert sts.count() == 2
