"""No token, no tag and no key in any text the package makes on the way from a token to credentials."""

import logging
import traceback
from contextlib import suppress
from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from session_scoping import SessionScopingError
from session_scoping.agent import TaskCredentialsError, TaskSession
from session_scoping.agent.sources.token_source import TokenSource
from session_scoping.contract.jws import UnverifiedToken
from session_scoping.lambdas.credential_broker.exchange import Exchange
from session_scoping.lambdas.credential_broker.refusal import RefusedError
from session_scoping.lambdas.credential_broker.settings import Settings
from session_scoping.orchestrator import TaskTokenSigner
from tests.aws.broker.conftest import FUNCTION, SETTINGS
from tests.support.stand_in_aws import StandInAws, Wire, refusal
from tests.support.stand_in_sts import ACCOUNT, SECRET, TOKEN, Reply, StandInSts, error
from tests.support.task import AMBIENT_SECRET, TAGS, Everything, MovableClock, key_of

ECHO = f"{SECRET} {TOKEN} {TAGS['user_id']} PLANTED"


def leaks(text: str, token: str) -> list[str]:
    """Return the secrets a text holds: keys, tags, the token or either half of it that matters."""
    forbidden = (SECRET, TOKEN, AMBIENT_SECRET, TAGS["user_id"], TAGS["repo"], "PLANTED", *token.split(".")[1:])
    return [word for word in forbidden if word in text]


@pytest.fixture(params=["broker", "web identity"])
def session(request: pytest.FixtureRequest, token: str, tmp_path: Path, now: MovableClock) -> TaskSession:
    """Return a session that spends a token, either way."""
    file = tmp_path / "token"
    file.write_text(token)
    file.chmod(0o600)
    return TaskSession.from_token(file, broker=FUNCTION if request.param == "broker" else None, clock=now)


class Faults:
    """What either side says wrongly."""

    def __init__(self, *, sts: Reply | None = None, aws: Wire | None = None) -> None:
        self.sts, self.aws = sts, aws

    def happen(self, sts: StandInSts, aws: StandInAws) -> None:
        """Let both stand-ins answer so."""
        sts.behave, aws.behave = lambda _: self.sts, lambda _: self.aws


FAULTS = {
    "none": Faults(),
    "sts refuses": Faults(sts=error("AccessDenied", 403, ECHO)),
    "sts says a code that tells": Faults(sts=error(TAGS["user_id"], 400, ECHO)),
    "sts says nonsense": Faults(sts=Reply(f"<AssumeRoleResponse>{ECHO}")),
    "lambda refuses": Faults(aws=refusal("AccessDeniedException", 403)),
    "lambda says nonsense": Faults(aws=Wire(ECHO)),
    "the function crashes": Faults(aws=Wire(ECHO, function_error="Unhandled")),
}


def canned(now: MovableClock) -> dict[str, Any]:
    """Answer as the broker does, without botocore."""
    keys = {"AccessKeyId": "ASIATASKKEY000000001", "SecretAccessKey": SECRET, "SessionToken": TOKEN}
    arn = f"arn:aws:sts::{ACCOUNT}:assumed-role/AgentSession/{TAGS['task_id']}"
    ends = (now() + timedelta(hours=1)).isoformat()
    return {"Credentials": {**keys, "Expiration": ends}, "AssumedRoleUser": {"Arn": arn}}


@pytest.mark.parametrize("fault", FAULTS)
def test_no_log_holds_the_token(
    fault: str, session: TaskSession, token: str, sts: StandInSts, aws: StandInAws, now: MovableClock, logs: Everything
) -> None:
    """At DEBUG of everything, over success, refusal and refresh, no record says too much."""
    logging.getLogger("botocore.parsers")
    aws.function = lambda *_: canned(now)  # the real handler would quieten botocore in this process too
    for _ in range(2):
        FAULTS[fault].happen(sts, aws)
        with suppress(SessionScopingError):
            session.verify()
        sts.behave, aws.behave = lambda _: None, lambda _: None
        now.move(minutes=31)
        key_of(session)
        now.move(minutes=25)
    assert logs.lines
    assert [line for line in logs.lines if leaks(line[2], token)] == []


@pytest.mark.parametrize("fault", [name for name in FAULTS if name != "none"])
def test_no_traceback_holds_the_token(
    fault: str, session: TaskSession, token: str, sts: StandInSts, aws: StandInAws
) -> None:
    """An exception's text, its chain and the local variables of our frames say nothing."""
    fault_of_either = copy(FAULTS[fault])
    fault_of_either.sts = fault_of_either.sts or error("AccessDenied", 403, ECHO)  # a web identity asks STS alone
    fault_of_either.happen(sts, aws)
    with pytest.raises(TaskCredentialsError) as caught:
        key_of(session)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "session_scoping" in frame.filename]
    assert ours
    assert leaks("".join(str(frame.locals) for frame in ours), token) == []
    assert leaks("".join(traceback.format_exception(caught.value)), token) == []
    assert caught.value.__context__ is None


def test_no_repr_holds_the_token(session: TaskSession, token: str, signer: TaskTokenSigner) -> None:
    """Printing any object on the way is safe."""
    key_of(session)
    parsed = UnverifiedToken.parse(token)
    source = TokenSource(lambda: token)
    source.read()
    for value in (session, session.boto3_session, parsed, parsed.claims, source, signer, vars(session)):
        assert leaks(f"{value!r} {value!s} {[value]}", token) == []


def test_the_construction_s_traceback_holds_no_token(token: str, aws: StandInAws) -> None:
    """A token that is refused at the start is in no local variable of ours either."""
    broken = token[:-4] + "!"
    with pytest.raises(TaskCredentialsError) as caught:
        TaskSession.from_token(lambda: broken, broker=FUNCTION)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    ours = [frame for frame in shown.stack if "session_scoping" in frame.filename]
    assert leaks("".join(str(frame.locals) for frame in ours), token) == []
    assert caught.value.__context__ is None
    assert "lambda:Invoke" not in aws.actions()


@pytest.fixture
def exchange(aws: StandInAws) -> Exchange:  # noqa: ARG001
    """Return the broker's calls, set up."""
    return Exchange(Settings.read(SETTINGS))


def test_a_refusal_carries_no_request(exchange: Exchange, token: str, sts: StandInSts, now: MovableClock) -> None:
    """Inside the broker too, botocore's exception is dropped before ours is raised."""
    sts.behave = lambda _: error("AccessDenied", 403, ECHO)
    with pytest.raises(RefusedError) as caught:
        exchange.assume(UnverifiedToken.parse(token).claims, now().timestamp())
    assert caught.value.__context__ is None
    assert leaks(repr(caught.value) + str(vars(caught.value)), token) == []
