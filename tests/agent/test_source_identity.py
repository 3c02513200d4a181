"""The source identity: set with every AssumeRole, and kept after that by STS."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from session_scoping import InvalidInputError
from session_scoping.agent import TaskSession
from tests.support.stand_in_sts import ACCOUNT, Reply, Request, StandInSts, error
from tests.support.task import MovableClock, key_of

Make = Callable[..., TaskSession]
TOOL_ROLE = f"arn:aws:iam::{ACCOUNT}:role/Tool"


def test_it_is_sent_with_every_assume(make_session: Make, sts: StandInSts, clock: MovableClock) -> None:
    """The first set and each later one carry the same source identity, with the tags."""
    session = make_session(source_identity="tenant.a+task-0042")
    for _ in range(8):
        key_of(session)
        clock.move(minutes=53)
    assert [request.form["SourceIdentity"] for request in sts.requests] == ["tenant.a+task-0042"] * 8
    assert all(request.tags["task_id"] == "task-0042" for request in sts.requests)


def test_none_is_sent_unless_it_is_asked_for(session: TaskSession, sts: StandInSts) -> None:
    """A role whose trust does not allow sts:SetSourceIdentity refuses any."""
    key_of(session)
    assert "SourceIdentity" not in sts.requests[0].form


@pytest.mark.parametrize("value", ["", "x", "x" * 65, "agent:tenant:session", "aws:x", "a b", "a/b", 7])
def test_one_sts_would_refuse_is_refused(value: Any, make_session: Make, sts: StandInSts) -> None:
    """Botocore lets a colon pass, STS does not: it is noticed before any call."""
    with pytest.raises(InvalidInputError, match="source_identity"):
        make_session(source_identity=value)
    assert sts.requests == []


def test_with_a_provider_it_would_have_no_effect(make_session: Make) -> None:
    """The minter sets it."""
    with pytest.raises(InvalidInputError, match="source_identity has no effect"):
        make_session(credentials=dict, source_identity="task-0042")


class RememberingSts:
    """STS's rule, on top of the stand-in: a source identity stays with a session, and with what is chained from it."""

    def __init__(self, sts: StandInSts) -> None:
        self._sts = sts
        self.identities: dict[str, str] = {}

    def __call__(self, request: Request) -> Reply:
        """Answer AssumeRole as STS does: another source identity than the caller's own is refused."""
        kept = self.identities.get(request.signed_by)
        asked = request.form.get("SourceIdentity", kept)
        if kept is not None and asked != kept:
            return error("AccessDenied", 403)
        reply = self._sts.assumed(request)
        key = reply.body.partition("<AccessKeyId>")[2].partition("<")[0]
        if asked is None:
            return reply
        self.identities[key] = asked
        element = f"<SourceIdentity>{asked}</SourceIdentity></AssumeRoleResult>"
        return Reply(reply.body.replace("</AssumeRoleResult>", element))


def test_a_chain_keeps_it(make_session: Make, sts: StandInSts) -> None:
    """A role assumed with the task's credentials has the same source identity, and cannot get another."""
    remembering = RememberingSts(sts)
    sts.behave = remembering
    client = make_session(source_identity="task-0042").client("sts")
    chained = client.assume_role(RoleArn=TOOL_ROLE, RoleSessionName="tool-1")
    assert chained["SourceIdentity"] == "task-0042"
    assert sts.requests[-1].signed_by == "ASIATASKKEY000000001"
    assert remembering.identities == {"ASIATASKKEY000000001": "task-0042", "ASIATASKKEY000000002": "task-0042"}
    with pytest.raises(ClientError, match="AccessDenied"):
        client.assume_role(RoleArn=TOOL_ROLE, RoleSessionName="tool-1", SourceIdentity="somebody-else")
