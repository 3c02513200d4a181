"""Sessions that are kept between requests, and sessions that are closed."""

import pickle
from collections.abc import Callable
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from session_scoping import InvalidInputError, SessionTags
from session_scoping.agent import TaskCredentialsError, TaskSession, TaskSessions, unsafe_ambient_session
from tests.support.stand_in_sts import ACCOUNT, StandInSts
from tests.support.task import AMBIENT_KEY, LONG, TAGS, key_of

Make = Callable[..., TaskSession]
TOOL_ARN = f"arn:aws:iam::{ACCOUNT}:role/app/SearchTool"


class Seconds:
    """A clock of seconds that a test moves."""

    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.time


@pytest.fixture
def seconds() -> Seconds:
    """Return a clock."""
    return Seconds()


def task(number: int) -> SessionTags:
    """Return the tags of one of many tasks."""
    return SessionTags(user_id="u", repo="r", task_id=f"task-{number}")


@pytest.fixture
def keep(make_session: Make, seconds: Seconds) -> Callable[..., TaskSessions]:
    """Return a maker of TaskSessions on movable clocks."""
    return lambda **options: TaskSessions(**{"make": make_session, "clock": seconds, **options})


def test_requests_of_one_task_share_a_session(keep: Callable[..., TaskSessions], sts: StandInSts) -> None:
    """Twenty-five requests make one AssumeRole, whatever the order in which their tags are written."""
    sessions = keep()
    for _ in range(25):
        with sessions.get(SessionTags(task_id="task-0042", **{k: v for k, v in TAGS.items() if k != "task_id"})) as one:
            key_of(one)
    assert sessions.get(TAGS) is one
    assert sts.count() == 1


@pytest.mark.parametrize("key", ["user_id", "repo", "task_id"])
def test_every_tag_tells_tasks_from_one_another(key: str, keep: Callable[..., TaskSessions]) -> None:
    """Tasks that differ in one tag, be it in a letter's case, have sessions of their own."""
    sessions = keep()
    for value in (TAGS[key] + "x", TAGS[key].upper()):
        other = SessionTags(**{**TAGS, key: value})
        assert sessions.get(other) is not sessions.get(TAGS)
        assert sessions.get(other).tags == other


def test_the_one_asked_for_longest_ago_goes(keep: Callable[..., TaskSessions]) -> None:
    """At most `max` are kept; what is asked for stays."""
    sessions = keep(max=2)
    first, second = sessions.get(task(1)), sessions.get(task(2))
    assert sessions.get(task(1)) is first
    sessions.get(task(3))
    assert len(sessions) == 2
    assert sessions.get(task(1)) is first
    assert sessions.get(task(2)) is not second
    for number in range(100):
        sessions.get(task(number))
    assert len(sessions) == 2


def test_a_session_that_goes_stays_usable(keep: Callable[..., TaskSessions]) -> None:
    """A request that is under way is not cut off when its session is no longer kept."""
    sessions = keep(max=1)
    first = sessions.get(task(1))
    sessions.get(task(2))
    assert key_of(first)


def test_a_task_gets_a_new_session_after_a_time(keep: Callable[..., TaskSessions], seconds: Seconds) -> None:
    """The time counts from the session's making, however often it is asked for."""
    sessions = keep(ttl=60)
    first = sessions.get(TAGS)
    seconds.time += 59.9
    assert sessions.get(TAGS) is first
    seconds.time += 0.1
    assert sessions.get(TAGS) is not first
    assert len(sessions) == 1


def test_a_with_block_leaves_a_kept_session_open(keep: Callable[..., TaskSessions]) -> None:
    """One request's end is not the other's; closing it by hand is, and then a new one is made."""
    sessions = keep()
    with sessions.get(TAGS) as first:
        pass
    assert not first.closed
    first.close()
    second = sessions.get(TAGS)
    assert second is not first
    assert not second.closed


def test_a_task_that_has_ended_is_discarded(keep: Callable[..., TaskSessions]) -> None:
    """Its session is closed, other tasks' are not, and one that is not kept is no error."""
    sessions = keep()
    first, other = sessions.get(task(1)), sessions.get(task(2))
    sessions.discard(task(1))
    sessions.discard(task(1))
    assert (first.closed, other.closed) == (True, False)
    assert sessions.get(task(1)) is not first


def test_closing_closes_all(keep: Callable[..., TaskSessions]) -> None:
    """After it no session signs, and none is handed out."""
    with keep() as sessions:
        made = [sessions.get(task(number)) for number in range(3)]
    assert [one.closed for one in made] == [True] * 3
    with pytest.raises(InvalidInputError, match="are closed"):
        sessions.get(TAGS)
    sessions.close()


def test_threads_get_one_session(keep: Callable[..., TaskSessions], make_session: Make) -> None:
    """Fifty threads that ask for a task at the same time get the same session, made once."""
    made: list[SessionTags] = []
    together, found = Barrier(50), list[TaskSession]()

    def make(tags: SessionTags) -> TaskSession:
        made.append(tags)
        return make_session(tags)

    sessions = keep(make=make)

    def ask() -> None:
        together.wait(LONG)
        found.append(sessions.get(TAGS))

    threads = [Thread(target=ask) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(found) == 50
    assert len(set(found)) == len(made) == 1


def test_a_slow_task_holds_up_no_other(keep: Callable[..., TaskSessions], make_session: Make) -> None:
    """While one task's session is being made, other tasks get theirs."""
    begun, go_on = Event(), Event()

    def make(tags: SessionTags) -> TaskSession:
        if tags == task(1):
            begun.set()
            go_on.wait(LONG)
        return make_session(tags)

    sessions = keep(make=make)
    slow = Thread(target=lambda: sessions.get(task(1)))
    slow.start()
    begun.wait(LONG)
    assert sessions.get(task(2)).tags == task(2)
    go_on.set()
    slow.join(LONG)
    assert len(sessions) == 2


def test_a_session_that_could_not_be_made_is_made_later(keep: Callable[..., TaskSessions], make_session: Make) -> None:
    """What `make` raises reaches the caller, and the next one tries again."""
    answers: list[Callable[[SessionTags], Any]] = [lambda _: 1 / 0, make_session]
    sessions = keep(make=lambda tags: answers.pop(0)(tags))
    with pytest.raises(ZeroDivisionError):
        sessions.get(TAGS)
    assert sessions.get(TAGS).tags == TAGS


def test_another_tasks_session_is_refused(keep: Callable[..., TaskSessions], make_session: Make) -> None:
    """A `make` that forgets its tags gives nobody another task's session, and no tag is named."""
    shared = make_session(task(7))
    for wrong in (lambda _: shared, lambda _: None):
        sessions = keep(make=wrong)
        with pytest.raises(InvalidInputError, match="no session of the task") as caught:
            sessions.get(task(8))
        assert "task-" not in str(caught.value)
    assert not shared.kept


@pytest.mark.parametrize(
    "options",
    [
        *({"max": value} for value in (0, -1, 1.5, True, None)),
        *({"ttl": value} for value in (0, -1, float("nan"), True, "60", None)),
    ],
)
def test_bounds_are_required(options: dict[str, Any]) -> None:
    """Nothing is kept without end, and nothing for no time."""
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        TaskSessions(**options)


def test_only_tags_find_a_session(keep: Callable[..., TaskSessions]) -> None:
    """A mapping that was not checked, or a name, finds nothing."""
    for wrong in ({"task_id": "T1"}, "T1", None):
        with pytest.raises(InvalidInputError, match="SessionTags"):
            keep().get(wrong)  # type: ignore[arg-type]


def test_kept_sessions_do_not_travel(keep: Callable[..., TaskSessions]) -> None:
    """They hold credentials: no pickle, and no tag in the repr."""
    sessions = keep()
    sessions.get(TAGS)
    with pytest.raises(TypeError):
        pickle.dumps(sessions)
    assert repr(sessions) == "TaskSessions(1 of 128)"


def test_the_default_makes_a_plain_session(sts: StandInSts) -> None:
    """Without `make` a task gets `TaskSession(tags)`."""
    assert key_of(TaskSessions().get(TAGS))
    assert sts.requests[0].tags == dict(TAGS)


# --- close --------------------------------------------------------------------------------------------------------


def test_a_closed_session_signs_nothing(session: TaskSession, sts: StandInSts) -> None:
    """Clients made before, clients made after and whoever asks for keys get the reason, and nothing is sent."""
    with session as same:
        client = same.client("dynamodb", endpoint_url=sts.url)
        client.list_tables()
    sent = len(sts.served)
    asks: list[Callable[[], object]] = [
        client.list_tables,
        lambda: session.client("s3"),
        lambda: session.resource("dynamodb"),
        lambda: session.derive(tool_role_arn=TOOL_ARN),
        lambda: client.generate_presigned_url("list_tables"),
        lambda: key_of(session),
        session.verify,
    ]
    for ask in asks:
        with pytest.raises(TaskCredentialsError) as caught:
            ask()
        assert caught.value.reason == "Closed"
        assert not caught.value.transient
    assert len(sts.served) == sent
    session.close()


def test_what_a_service_gave_signs_nothing_either(session: TaskSession) -> None:
    """Keys of S3 Express, which botocore keeps for five minutes, end with the session as well."""
    client: Any = session.client("s3")
    keys = {"AccessKeyId": "ASIAEXPRESS", "SecretAccessKey": "x", "SessionToken": "x"}
    client.create_session = lambda **_: {"Credentials": {**keys, "Expiration": "2999-01-01T00:00:00Z"}}
    arguments = {"Bucket": "planted--euw1-az1--x-s3", "Key": "k"}
    assert "ASIAEXPRESS" in client.generate_presigned_url("get_object", Params=arguments)
    session.close()
    with pytest.raises(TaskCredentialsError, match="closed"):
        client.generate_presigned_url("get_object", Params=arguments)


def test_connections_are_closed(session: TaskSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every client that still exists gives its connections back, those of resources too."""
    made: list[Any] = [session.client("s3"), session.client("sts"), session.resource("dynamodb").meta.client]
    closed: list[Any] = []
    for one in made:
        monkeypatch.setattr(one._endpoint, "close", lambda one=one: closed.append(one))
    session.close()
    assert {id(one) for one in closed} == {id(one) for one in made}


def test_what_was_derived_ends_too(session: TaskSession) -> None:
    """A tool's session and those derived from it are closed with the session, and not the other way round."""
    tool = session.derive(tool_role_arn=TOOL_ARN)
    inner = tool.derive(tool_role_arn=TOOL_ARN)
    inner.close()
    assert (session.closed, tool.closed) == (False, False)
    key_of(tool)
    session.close()
    for one in (tool, inner):
        with pytest.raises(TaskCredentialsError, match="closed"):
            key_of(one)


def test_one_tasks_end_is_not_anothers(make_session: Make) -> None:
    """Closing a session closes no session of another task, nor another one of the same task."""
    first, second, other = make_session(TAGS), make_session(TAGS), make_session(task(2))
    first.close()
    assert key_of(second)
    assert key_of(other)


@pytest.mark.filterwarnings("ignore::session_scoping.agent.UnsafeAmbientWarning")
def test_the_unsafe_session_has_the_same_block() -> None:
    """Code written for a TaskSession runs with it unchanged: no task ends with the block, so its clients go on."""
    with unsafe_ambient_session() as session:
        client = session.client("s3")
    session.close()
    url = client.generate_presigned_url("get_object", Params={"Bucket": "b", "Key": "k"})
    assert AMBIENT_KEY in url
