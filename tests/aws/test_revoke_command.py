"""`session-scoping revoke` prints exactly what it would put, adds to what is there, and says so when AWS refuses."""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.stub import ANY, Stubber
from moto import mock_aws

from session_scoping import InvalidInputError, QuotaExceededError
from session_scoping.commands.main import main
from session_scoping.commands.revoke.command import tags_from
from session_scoping.commands.revoke.role_policy import RolePolicy, document_text, lifted, merged
from session_scoping.contract.revocations import POLICY_NAME, document_of, revoked_sessions
from tests.support.simulator import Question, decide

ROLE = "SessionRole"
ARN = f"arn:aws:iam::123456789012:role/agents/{ROLE}"
WHEN = "2026-11-21T10:00:00Z"
TENANT = "tenant-4711"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
            "Condition": {"StringLike": {"aws:RequestTag/task_id": "?*", "aws:RequestTag/user_id": "?*"}},
        }
    ],
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An account with one session role in it, under moto; the IAM client of its owner."""
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEOWNER0000"),
        ("AWS_SECRET_ACCESS_KEY", "planted-secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        iam = boto3.client("iam")
        iam.create_role(RoleName=ROLE, Path="/agents/", AssumeRolePolicyDocument=json.dumps(TRUST))
        yield iam


def _put(iam: Any) -> dict[str, Any]:
    """Return the document that is on the role."""
    document: dict[str, Any] = iam.get_role_policy(RoleName=ROLE, PolicyName=POLICY_NAME)["PolicyDocument"]
    return document


def _sids(iam: Any) -> list[str]:
    return [statement["Sid"] for statement in _put(iam)["Statement"]]


Output = pytest.CaptureFixture[str]


# --- printing -------------------------------------------------------------------------------------------------------


def test_without_apply_it_prints_the_document_and_calls_nothing(capsys: Output) -> None:
    """Standard output is the document alone, so that it can be saved; what to run goes to standard error."""
    assert main(["revoke", ROLE, "--before", WHEN, "--tag", f"task_id={TENANT}"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == document_of([revoked_sessions(WHEN, {"task_id": TENANT}).statement()])
    assert "--apply" in err
    assert f"put-role-policy --role-name {ROLE} --policy-name SessionScopingRevocation" in err
    assert TENANT not in err


def test_json_is_one_object_with_the_policy_and_the_command(capsys: Output) -> None:
    """A tool finds the role, the policy's name, the policy, whether it is applied, and what to run."""
    assert main(["revoke", ARN, "--tag", "task_id=T1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["policyName"] == POLICY_NAME
    assert found["applied"] is False
    assert found["policy"]["Statement"][0]["Condition"] == {"StringEquals": {"aws:PrincipalTag/task_id": ["T1"]}}
    assert f"--role-name {ROLE} " in found["run"]


def test_now_is_now_in_utc(capsys: Output) -> None:
    """`--before now` is the present second in UTC."""
    earlier = datetime.now(UTC).replace(microsecond=0)
    assert main(["revoke", ROLE, "--before", "now"]) == 0
    later = datetime.now(UTC)
    (statement,) = json.loads(capsys.readouterr().out)["Statement"]
    when = datetime.fromisoformat(statement["Condition"]["DateLessThan"]["aws:TokenIssueTime"])
    assert earlier <= when <= later + timedelta(seconds=1)


def test_a_time_ahead_warns(capsys: Output) -> None:
    """A time still to come stops new sessions as well, and the operator is warned."""
    assert main(["revoke", ROLE, "--before", "2999-01-01T00:00:00Z"]) == 0
    assert "lies ahead" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [ROLE],
        [ROLE, "--before", "now", "--list"],
        [ROLE, "--list", "--lift", "all"],
        [ROLE, "--before", "yesterday"],
        [ROLE, "--before", "2026-11-21T10:00:00"],
        [ROLE, "--tag", "task_id"],
        [ROLE, "--tag", "=T1"],
        [ROLE, "--tag", "task_id="],
        [ROLE, "--tag", "task_id=T*"],
        [ROLE, "--tag", "task_id=${aws:PrincipalTag/task_id}"],
        [ROLE, "--tag", "task_id=a", "--tag", "task_id=b"],
        ["my role", "--before", "now"],
        ["arn:aws:iam::123456789012:user/x", "--before", "now"],
        [ROLE, "--tag", "task_id=T*", "--apply"],
    ],
)
def test_a_wrong_command_line_is_two_and_calls_nothing(arguments: list[str], capsys: Output) -> None:
    """What cannot be meant is refused with one line on stderr and exit code 2."""
    assert main(["revoke", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.strip().splitlines()) == 1
    assert "fix:" in err


def test_a_value_may_hold_an_equals_sign() -> None:
    """Only the first `=` parts key and value: STS lets a value hold more of them."""
    assert tags_from(["task_id=a=b"]) == {"task_id": "a=b"}


# --- putting, under moto --------------------------------------------------------------------------------------------


def test_apply_puts_the_deny_and_says_how_fast_it_acts(aws: Any, capsys: Output) -> None:
    """The role carries the statement afterwards; the operator learns that it may take minutes."""
    assert main(["revoke", ROLE, "--tag", f"task_id={TENANT}", "--apply"]) == 0
    out, err = capsys.readouterr()
    assert _put(aws) == json.loads(out) == document_of([revoked_sessions(None, {"task_id": TENANT}).statement()])
    assert "few minutes" in err
    assert TENANT not in err


def test_revocations_add_up_and_repeating_one_changes_nothing(aws: Any, capsys: Output) -> None:
    """Each keeps those before it; the same again is said to be there already."""
    for tag in ("task_id=T1", "user_id=u1", "task_id=T1"):
        assert main(["revoke", ROLE, "--tag", tag, "--apply"]) == 0
    assert "nothing to do" in capsys.readouterr().err
    conditions = [statement["Condition"]["StringEquals"] for statement in _put(aws)["Statement"]]
    assert conditions == [{"aws:PrincipalTag/task_id": ["T1"]}, {"aws:PrincipalTag/user_id": ["u1"]}]


def test_a_later_time_replaces_an_earlier_one_and_never_the_other_way(aws: Any) -> None:
    """The latest time covers the others; an earlier one brings no session back to life."""
    for time in ("2026-11-21T09:00:00Z", WHEN, "2026-11-20T00:00:00Z"):
        assert main(["revoke", ROLE, "--before", time, "--apply"]) == 0
    (statement,) = _put(aws)["Statement"]
    assert statement["Condition"] == {"DateLessThan": {"aws:TokenIssueTime": WHEN}}


def test_now_is_awss_clock_when_it_is_put(aws: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A laptop whose clock is wrong leaves no minutes of sessions alive: the time comes from AWS's answer."""
    monkeypatch.setattr(
        "session_scoping.commands.revoke.role_policy._server_time", lambda _: datetime(2026, 11, 21, 9, tzinfo=UTC)
    )
    assert main(["revoke", ROLE, "--before", "now", "--apply"]) == 0
    assert _put(aws)["Statement"][0]["Condition"]["DateLessThan"] == {"aws:TokenIssueTime": "2026-11-21T09:00:00Z"}


def test_what_others_wrote_into_the_policy_stays(aws: Any) -> None:
    """A statement that is no revocation of ours survives adding and lifting all."""
    theirs = {"Sid": "Theirs", "Effect": "Deny", "Action": "s3:DeleteBucket", "Resource": "*"}
    text = json.dumps({"Version": "2012-10-17", "Statement": theirs})
    aws.put_role_policy(RoleName=ROLE, PolicyName=POLICY_NAME, PolicyDocument=text)
    assert main(["revoke", ROLE, "--before", WHEN, "--apply"]) == 0
    assert _put(aws)["Statement"][0] == theirs
    assert main(["revoke", ROLE, "--lift", "all", "--apply"]) == 0
    assert _put(aws)["Statement"] == [theirs]


def test_lifting_takes_one_away_and_the_last_one_the_policy(aws: Any, capsys: Output) -> None:
    """`--lift` changes nothing without --apply, then takes the one named, then deletes an empty policy."""
    for tag in ("task_id=T1", "user_id=u1"):
        main(["revoke", ROLE, "--tag", tag, "--apply"])
    first, second = _sids(aws)
    assert main(["revoke", ROLE, "--lift", first]) == 0
    assert _sids(aws) == [first, second]
    assert main(["revoke", ROLE, "--lift", first, "--apply"]) == 0
    assert _sids(aws) == [second]
    assert main(["revoke", ROLE, "--lift", first, "--apply"]) == 2
    assert main(["revoke", ROLE, "--lift", "all", "--apply"]) == 0
    assert aws.list_role_policies(RoleName=ROLE)["PolicyNames"] == []
    assert main(["revoke", ROLE, "--lift", "all", "--apply"]) == 0
    assert "nothing to do" in capsys.readouterr().err


def test_the_list_names_each_revocation(aws: Any, capsys: Output) -> None:
    """`--list` gives the name to lift by, whom it ends, and other people's statements as a number."""
    assert main(["revoke", ROLE, "--list"]) == 0
    assert "no revocation" in capsys.readouterr().err
    main(["revoke", ROLE, "--before", WHEN, "--tag", "task_id=T1", "--apply"])
    capsys.readouterr()
    assert main(["revoke", ROLE, "--list"]) == 0
    out = capsys.readouterr().out
    assert out == f"{_sids(aws)[0]}  task_id in T1 and issued before {WHEN}\n"
    assert main(["revoke", ROLE, "--list", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["role"] == ARN
    assert found["revocations"] == [{"sid": _sids(aws)[0], "before": WHEN, "tags": {"task_id": ["T1"]}}]
    assert found["otherStatements"] == 0


def test_a_tag_the_role_does_not_know_is_not_put(aws: Any, capsys: Output) -> None:
    """A misspelt key at three in the morning must not look like a revocation."""
    assert main(["revoke", ROLE, "--tag", "taskid=T1", "--apply"]) == 2
    assert "does not speak of" in capsys.readouterr().err
    assert aws.list_role_policies(RoleName=ROLE)["PolicyNames"] == []


def test_a_role_whose_sessions_narrow_themselves_is_revoked_by_tag(aws: Any, capsys: Output) -> None:
    """A time may not reach narrowed credentials: it is refused, a tag is put, and `--anyway` puts the time."""
    aws.tag_role(RoleName=ROLE, Tags=[{"Key": "session-scoping:narrowing", "Value": "on"}])
    for more in ([], ["--tag", "task_id=T1"]):
        assert main(["revoke", ROLE, "--before", "now", *more, "--apply"]) == 2
        assert "expected --tag alone" in capsys.readouterr().err
    with pytest.raises(aws.exceptions.NoSuchEntityException):
        _put(aws)
    assert main(["revoke", ROLE, "--tag", "task_id=T1", "--apply"]) == 0
    assert main(["revoke", ROLE, "--before", "now", "--anyway", "--apply"]) == 0
    assert len(_put(aws)["Statement"]) == 2


def test_a_role_of_another_account_is_not_touched(aws: Any) -> None:
    """An ARN that the profile's account does not have changes nothing on its namesake."""
    assert main(["revoke", ARN.replace("123456789012", "444455556666"), "--before", WHEN, "--apply"]) == 2
    assert aws.list_role_policies(RoleName=ROLE)["PolicyNames"] == []
    assert main(["revoke", ARN, "--before", WHEN, "--apply"]) == 0


def test_a_role_that_does_not_exist_is_one_clear_line(aws: Any, capsys: Output) -> None:
    """AWS's refusal becomes exit code 1 with the reason and the fix, without a traceback."""
    assert aws
    assert main(["revoke", "Nobody", "--before", WHEN, "--apply"]) == 1
    assert "no such role" in capsys.readouterr().err
    assert main(["revoke", "Nobody", "--list"]) == 1


def test_an_unknown_profile_is_one_clear_line(aws: Any, capsys: Output) -> None:
    """A profile that is not configured is exit code 1."""
    assert aws
    assert main(["revoke", ROLE, "--list", "--profile", "nobody-has-this"]) == 1
    assert "ProfileNotFound" in capsys.readouterr().err


def test_credentials_and_tag_values_reach_no_log(aws: Any, capsys: Output, caplog: pytest.LogCaptureFixture) -> None:
    """Keys appear nowhere; a tag value only in the policy on standard output and in botocore's own debug log."""
    assert aws
    caplog.set_level(logging.DEBUG, logger="session_scoping")
    assert main(["revoke", ROLE, "--tag", f"task_id={TENANT}", "--apply"]) == 0
    out, err = capsys.readouterr()
    ours = "".join(record.getMessage() for record in caplog.records if record.name.startswith("session_scoping"))
    assert "planted-secret" not in out + err + ours
    assert TENANT not in err + ours


def test_what_was_put_ends_old_sessions_and_no_others(aws: Any) -> None:
    """The independent simulator denies the revoked session under any grant, and lets the others through."""
    main(["revoke", ROLE, "--before", WHEN, "--apply"])
    main(["revoke", ROLE, "--tag", "task_id=T1", "--apply"])
    careless = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    sessions = [
        ("2026-11-21T09:59:59Z", "T2", "ExplicitlyDenied"),
        ("2026-11-21T10:00:00Z", "T2", "Allowed"),
        ("2026-11-21T12:00:00Z", "T1", "ExplicitlyDenied"),
        ("2026-11-21T12:00:00Z", "T10", "Allowed"),
    ]
    principal = f"arn:aws:sts::123456789012:assumed-role/{ROLE}/x"
    questions = [
        Question(
            principal,
            "s3:GetObject",
            "arn:aws:s3:::b/k",
            "123456789012",
            {"aws:TokenIssueTime": issued, "aws:PrincipalTag/task_id": task},
            [careless, _put(aws)],
        )
        for issued, task, _ in sessions
    ]
    assert [verdict.outcome for verdict in decide(questions)] == [outcome for *_, outcome in sessions]


# --- faults, on the documented shapes -------------------------------------------------------------------------------


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Stubber]]:
    """Return an IAM client whose answers are queued; botocore checks both sides against the service model."""
    client = boto3.client("iam", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    stubber = Stubber(client)

    class Session:
        def __init__(self, **_: Any) -> None: ...

        def client(self, _: str) -> Any:
            return client

    monkeypatch.setattr(boto3, "Session", Session)
    with stubber:
        yield lambda: stubber


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the waits of the command, which takes none."""
    found: list[float] = []
    defaults: dict[str, Any] = RolePolicy.__init__.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "sleep", found.append)
    return found


def _role_answer() -> dict[str, Any]:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    role = {"Path": "/", "RoleName": ROLE, "RoleId": "AROAEXAMPLEEXAMPLE00", "Arn": ARN, "CreateDate": now}
    return {"Role": {**role, "AssumeRolePolicyDocument": json.dumps(TRUST)}}


def _policy_answer(statements: list[dict[str, Any]]) -> dict[str, Any]:
    text = json.dumps(document_of(statements))
    return {"RoleName": ROLE, "PolicyName": POLICY_NAME, "PolicyDocument": text}


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("AccessDenied", "iam:PutRolePolicy"),
        ("AccessDeniedException", "iam:PutRolePolicy"),
        ("LimitExceeded", "inline policies are full"),
        ("UnmodifiableEntity", "service-linked"),
        ("Throttling", "again"),
        ("SomethingNew", "look with --list"),
    ],
)
def test_a_refused_put_is_one_with_the_reason(
    stubbed: Callable[[], Stubber], code: str, words: str, capsys: Output
) -> None:
    """Each refusal names AWS's code and a fix, and repeats nothing AWS quotes."""
    stubber = stubbed()
    stubber.add_response("get_role", _role_answer(), {"RoleName": ROLE})
    stubber.add_client_error("get_role_policy", "NoSuchEntity", http_status_code=404)
    stubber.add_client_error("put_role_policy", code, f"quoted {TENANT}", http_status_code=403)
    assert main(["revoke", ROLE, "--tag", f"task_id={TENANT}", "--apply"]) == 1
    err = capsys.readouterr().err
    assert code in err
    assert words in err
    assert TENANT not in err
    stubber.assert_no_pending_responses()


def test_what_iam_never_shows_is_one(stubbed: Callable[[], Stubber], pauses: list[float], capsys: Output) -> None:
    """A put that another one overwrote is not reported as done, after half a minute of looking."""
    stubber = stubbed()
    stubber.add_response("get_role", _role_answer())
    stubber.add_response("get_role_policy", _policy_answer([]))
    stubber.add_response("put_role_policy", {}, {"RoleName": ROLE, "PolicyName": POLICY_NAME, "PolicyDocument": ANY})
    other = [revoked_sessions(None, {"task_id": "other"}).statement()]
    for _ in range(15):
        stubber.add_response("get_role_policy", _policy_answer(other))
    assert main(["revoke", ROLE, "--before", WHEN, "--apply"]) == 1
    assert "does not show" in capsys.readouterr().err
    assert 25 < sum(pauses) < 35


def test_what_iam_shows_late_is_waited_for(stubbed: Callable[[], Stubber], pauses: list[float]) -> None:
    """IAM is eventually consistent: the old policy is no failure until half a minute has passed."""
    stubber = stubbed()
    statement = revoked_sessions(WHEN).statement()
    stubber.add_response("get_role", _role_answer())
    stubber.add_client_error("get_role_policy", "NoSuchEntity", http_status_code=404)
    stubber.add_response("put_role_policy", {})
    stubber.add_client_error("get_role_policy", "NoSuchEntity", http_status_code=404)
    stubber.add_response("get_role_policy", _policy_answer([]))
    stubber.add_response("get_role_policy", _policy_answer([statement]))
    assert main(["revoke", ROLE, "--before", WHEN, "--apply"]) == 0
    assert len(pauses) == 2
    stubber.assert_no_pending_responses()


def test_a_put_that_cannot_be_read_back_says_that_it_was_taken(stubbed: Callable[[], Stubber], capsys: Output) -> None:
    """After the put, a fault of the reading must not sound as if nothing had changed."""
    stubber = stubbed()
    stubber.add_response("get_role", _role_answer())
    stubber.add_response("get_role_policy", _policy_answer([]))
    stubber.add_response("put_role_policy", {})
    stubber.add_client_error("get_role_policy", "Throttling")
    assert main(["revoke", ROLE, "--before", WHEN, "--apply"]) == 1
    assert "IAM took the policy" in capsys.readouterr().err


# --- merging, by itself ---------------------------------------------------------------------------------------------


def test_a_tag_revoked_for_ever_covers_the_same_tag_up_to_a_time() -> None:
    """Revoking a task entirely replaces its revocation up to a time, and is not weakened by one."""
    timed, whole = revoked_sessions(WHEN, {"task_id": "T"}), revoked_sessions(None, {"task_id": "T"})
    assert merged(merged([], timed), whole) == [whole.statement()]
    assert merged(merged([], whole), timed) == [whole.statement()]


def test_a_time_for_one_task_and_for_all_stand_side_by_side() -> None:
    """A later time for one task is not lost in an earlier one for all."""
    everyone, one = revoked_sessions(WHEN), revoked_sessions("2026-11-21T12:00:00Z", {"task_id": "T"})
    assert merged(merged([], everyone), one) == [everyone.statement(), one.statement()]


def test_more_than_a_role_can_hold_is_refused_before_iam_does() -> None:
    """The document is measured against the quota of inline policies; some sixty revocations fit."""
    statements = [revoked_sessions(None, {"task_id": f"{n:036}"}).statement() for n in range(80)]
    assert len(document_text(statements[:50])) < 10_240
    with pytest.raises(QuotaExceededError, match="--lift"):
        document_text(statements)


def test_lifting_what_is_not_there_names_what_is() -> None:
    """The error lists the names that can be lifted."""
    statement = revoked_sessions(WHEN).statement()
    with pytest.raises(InvalidInputError, match=statement["Sid"]):
        lifted([statement], ["DenyRevokedNothing"])
