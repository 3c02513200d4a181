"""The `session-scoping-credentials` command, run as a child process the way a tool runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from session_scoping import InvalidInputError, SessionTags
from session_scoping.agent import TaskCredentialsError, read_task_file, write_task_file
from session_scoping.agent.children.credentials import child_credentials
from session_scoping.agent.children.session_policy import models_only, parse_session_policy
from session_scoping.agent.names import RoleArn
from session_scoping.aws.bedrock import INVOKE_ACTIONS
from tests.agent.conftest import assumed_compute_role
from tests.support import ROOT
from tests.support.sdk_children import SDKS, running_service
from tests.support.stand_in_sts import CONTAINER_KEY, ROLE_ARN, Reply, StandInSts, error
from tests.support.task import AMBIENT_KEY, TAGS

COMMAND = [sys.executable, "-m", "session_scoping.agent.children.command"]
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def task_file(tmp_path: Path) -> Path:
    """Return a good task file."""
    return write_task_file(tmp_path / "task.json", TAGS)


@pytest.fixture
def run() -> Run:
    """Return a way to run the command to its end."""

    def run_it(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)

    return run_it


def private(path: Path, text: str) -> Path:
    """Make a file that its owner alone may read."""
    path.touch(0o600)
    path.write_text(text)
    return path


def assert_failed(done: "subprocess.CompletedProcess[str]") -> None:
    """Check the contract of a failure: no output, an exit code, one line that holds no secret or tag."""
    assert done.returncode != 0
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1
    assert "planted" not in done.stderr.lower()
    assert "task-0042" not in done.stderr


def test_prints_version_1_credentials_narrowed_to_the_models(run: Run, task_file: Path, sts: StandInSts) -> None:
    """The child gets the task's own role, tags and name, minus everything but the models."""
    done = run("--task-file", task_file)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    printed = json.loads(done.stdout)
    assert set(printed) == {"Version", "AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"}
    assert printed["Version"] == 1
    assert printed["AccessKeyId"] == "ASIATASKKEY000000001"
    left = datetime.fromisoformat(printed["Expiration"]) - datetime.now(UTC)
    assert timedelta(minutes=50) < left <= timedelta(hours=1)
    [request] = sts.requests
    assert request.tags == dict(TAGS)
    assert request.form["RoleSessionName"] == "task-0042"
    assert request.signed_by == AMBIENT_KEY
    actions = {action for one in json.loads(request.form["Policy"])["Statement"] for action in one["Action"]}
    assert actions == {"bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"}


def test_role_and_region_can_be_arguments(
    run: Run, task_file: Path, sts: StandInSts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool's configuration may name them where its environment does not."""
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    assert_failed(run("--task-file", task_file, "--region", "eu-west-1"))
    assert_failed(run("--task-file", task_file, "--role-arn", ROLE_ARN))
    assert sts.requests == []
    assert run("--task-file", task_file, "--role-arn", ROLE_ARN, "--region", "eu-west-1").returncode == 0


def test_a_profile_of_the_child_uses_it(
    task_file: Path, sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 in the child, by its profile, signs with what the command prints, and can refresh it."""
    config = tmp_path / "child-config"
    config.write_text(f"[profile child]\ncredential_process = {' '.join(COMMAND)} --task-file {task_file}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    credentials = boto3.Session(profile_name="child").get_credentials()
    assert credentials is not None
    assert credentials.get_frozen_credentials().access_key == "ASIATASKKEY000000001"
    assert sts.count() == 1


def test_the_child_s_profile_does_not_start_the_command_again(
    run: Run, task_file: Path, sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run under AWS_PROFILE=child the command signs with the container's role, and never starts itself."""
    config = tmp_path / "child-config"
    config.write_text(f"[profile child]\ncredential_process = {' '.join(COMMAND)} --task-file {task_file}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "child")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", sts.url)
    assert run("--task-file", task_file).returncode == 0
    assert sts.requests[0].signed_by == CONTAINER_KEY
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    done = run("--task-file", task_file)
    assert_failed(done)
    assert "compute role" in done.stderr
    assert sts.count() == 1


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("sdk", SDKS)
def test_what_an_sdk_does_when_the_command_fails(
    sdk: str, hidden: bool, task_file: Path, sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JavaScript's goes on to the container endpoint, unless that is handed to the command alone: docs/children.md."""
    place = f"AWS_CONTAINER_CREDENTIALS_FULL_URI={sts.url}"
    command = f"{'env ' + place if hidden else ''} {' '.join(COMMAND)} --task-file {task_file}"
    config = tmp_path / "child-config"
    config.write_text(f"[profile child]\ncredential_process = {command}\nregion = eu-west-1\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "child")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if not hidden:
        monkeypatch.setenv(*place.split("=", 1))
    sts.behave = lambda _: error("AccessDenied", 403)
    with running_service() as (url, signers):
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
        subprocess.run(SDKS[sdk], capture_output=True, timeout=60, check=False, cwd=ROOT)
    assert {request.signed_by for request in sts.requests} == {CONTAINER_KEY}
    assert signers == ([CONTAINER_KEY] if sdk == "javascript" and not hidden else [])


def test_a_profile_that_builds_on_the_command_ends(
    run: Run, task_file: Path, sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A profile whose source is the command itself is an error, not one process after the other."""
    config = tmp_path / "child-config"
    config.write_text(
        f"[profile base]\ncredential_process = {' '.join(COMMAND)} --task-file {task_file}\n"
        f"[profile child]\nrole_arn = {ROLE_ARN}\nsource_profile = base\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_PROFILE", "child")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert_failed(run("--task-file", task_file))
    assert sts.requests == []


def test_a_chain_that_cannot_be_changed_is_not_used(sts: StandInSts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where botocore does not let `credential_process` be taken out, nothing is sent."""

    def refuse(*_: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr("botocore.credentials.CredentialResolver.remove", refuse)
    with pytest.raises(TaskCredentialsError, match="RuntimeError") as caught:
        child_credentials(TAGS)
    assert "planted" not in str(caught.value)
    assert sts.requests == []


@pytest.mark.parametrize("setting", ["AWS_PROFILE", "AWS_CONFIG_FILE"])
def test_a_profile_that_cannot_be_read_prints_nothing(
    setting: str, run: Run, task_file: Path, sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A missing profile and a broken configuration are named as such, and nothing is sent."""
    broken = tmp_path / "broken"
    broken.write_text("no ini file")
    monkeypatch.setenv(setting, "missing" if setting == "AWS_PROFILE" else str(broken))
    done = run("--task-file", task_file)
    assert_failed(done)
    assert "profile" in done.stderr
    assert sts.requests == []


def test_a_policy_file_says_what_the_child_needs(run: Run, task_file: Path, sts: StandInSts, tmp_path: Path) -> None:
    """Another policy takes the place of the models."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    file = private(tmp_path / "policy.json", json.dumps(policy, indent=4))
    assert run("--task-file", task_file, "--policy-file", file).returncode == 0
    assert json.loads(sts.requests[0].form["Policy"]) == policy


@pytest.mark.parametrize(
    "reply",
    [
        error("AccessDenied", 403, "planted-user-7 may not"),
        error("Throttling", 400),
        Reply("<truncated"),
        pytest.param(Reply("", 500), marks=pytest.mark.exhaustive),  # as the throttled one: five attempts take seconds
        Reply("", 301),
    ],
)
def test_a_refusal_prints_nothing(reply: Reply, run: Run, task_file: Path, sts: StandInSts) -> None:
    """When STS gives no credentials, standard output stays empty and the ambient keys stay home."""
    sts.behave = lambda _: reply
    assert_failed(run("--task-file", task_file))
    assert sts.count() in {1, 2, 5}  # what may pass is tried again, what cannot be read once


def test_the_compute_role_s_own_calls_are_not_retried(
    run: Run, task_file: Path, sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the compute role is itself assumed, a refused command makes one request."""
    assumed_compute_role(by_profile=False, folder=tmp_path, monkeypatch=monkeypatch)
    sts.behave = lambda _: error("AccessDenied", 403)
    assert_failed(run("--task-file", task_file))
    assert [request.action for request in sts.requests] == ["AssumeRoleWithWebIdentity"]


def test_one_bad_answer_is_no_outage(run: Run, task_file: Path, sts: StandInSts) -> None:
    """A failure that passes costs a child a pause and not its credentials."""
    sts.behave = lambda _: error("InternalFailure", 500) if len(sts.requests) == 1 else None
    assert run("--task-file", task_file).returncode == 0
    assert sts.count() == 2


@pytest.mark.parametrize("lasts", [-10, 30, 100_000])
def test_an_odd_expiry_prints_nothing(lasts: int, run: Run, task_file: Path, sts: StandInSts) -> None:
    """Expired, expiring and absurdly long-lived answers are not handed to a child."""
    sts.behave = lambda request: sts.assumed(request, lasts=lasts)
    assert_failed(run("--task-file", task_file))


@pytest.mark.parametrize("policy", ["{}", "[]", "nonsense", '{"Version": "2008-10-17", "Statement": [{}]}', "x" * 3000])
def test_a_bad_policy_is_refused(policy: str, run: Run, task_file: Path, sts: StandInSts, tmp_path: Path) -> None:
    """A policy STS would refuse, or read as none, sends nothing."""
    file = private(tmp_path / "policy.json", policy)
    assert_failed(run("--task-file", task_file, "--policy-file", file))
    assert sts.requests == []


def test_a_policy_file_follows_the_task_file_s_rules(
    run: Run, task_file: Path, sts: StandInSts, tmp_path: Path
) -> None:
    """Somebody who can write it, or put a link in its place, would choose what the child reaches."""
    file = private(tmp_path / "policy.json", '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}')
    (tmp_path / "link").symlink_to(file)
    assert_failed(run("--task-file", task_file, "--policy-file", tmp_path / "link"))
    file.chmod(0o620)
    done = run("--task-file", task_file, "--policy-file", file)
    assert_failed(done)
    assert "mode 0620" in done.stderr
    assert sts.requests == []


def test_missing_settings_print_nothing(
    run: Run, task_file: Path, sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No role, a missing policy file, undeclared tags: each one line and no request."""
    assert_failed(run("--task-file", task_file, "--policy-file", tmp_path / "missing"))
    monkeypatch.setenv("AGENT_SESSION_TAG_KEYS", "tenant_id")
    assert_failed(run("--task-file", task_file))
    monkeypatch.delenv("AGENT_SESSION_TAG_KEYS")
    monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    assert_failed(run("--task-file", task_file))
    assert sts.requests == []


def test_the_command_line_needs_a_task_file(run: Run, sts: StandInSts) -> None:
    """Without a task file the command ends with 2, and does not look at the environment for tags."""
    done = run()
    assert done.returncode == 2
    assert done.stdout == ""
    assert sts.requests == []


def test_a_closed_output_is_a_failure(task_file: Path, sts: StandInSts) -> None:
    """Credentials that could not be handed over do not count as success."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "--task-file", str(task_file)], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert done.returncode != 0
    assert b"PLANTED" not in done.stderr
    assert sts.count() == 1


@pytest.mark.parametrize("closed", [1, 2])
def test_a_missing_stream_is_a_failure_at_most(closed: int, task_file: Path, sts: StandInSts) -> None:
    """Started without standard output it asks for nothing; without standard error a failure prints nothing."""
    sts.behave = lambda _: error("AccessDenied", 403)
    close = f'exec "$0" "$@" {closed}>&-'
    done = subprocess.run(
        ["sh", "-c", close, *COMMAND, "--task-file", str(task_file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == (closed == 1)
    assert sts.count() == (closed == 2)


def test_task_file_round_trip(tmp_path: Path) -> None:
    """What write_task_file writes, its owner alone may read, and read_task_file reads."""
    path = write_task_file(tmp_path / "task.json", TAGS)
    assert path.stat().st_mode & 0o777 == 0o600
    assert read_task_file(path) == TAGS


def test_a_task_file_can_be_written_again(tmp_path: Path) -> None:
    """The next task takes the place of the last one, whose open file keeps its own tags; nothing else is left."""
    path = write_task_file(tmp_path / "task.json", TAGS)
    path.chmod(0o666)
    with path.open() as before:
        other = SessionTags(task_id="another-task")
        assert read_task_file(write_task_file(path, other)) == other
        assert json.load(before) == dict(TAGS)
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_in_the_task_file_s_place_is_replaced(tmp_path: Path) -> None:
    """What it leads to is not written."""
    (tmp_path / "elsewhere").write_text("untouched")
    (tmp_path / "task.json").symlink_to(tmp_path / "elsewhere")
    assert read_task_file(write_task_file(tmp_path / "task.json", TAGS)) == TAGS
    assert (tmp_path / "elsewhere").read_text() == "untouched"


def test_a_task_file_that_cannot_be_written_is_the_library_s_error(tmp_path: Path) -> None:
    """A folder, a missing folder and an impossible name are one sentence, and nothing is left behind."""
    (tmp_path / "folder").mkdir()
    for name in ("folder", "missing/task.json", "nul\0"):
        with pytest.raises(InvalidInputError, match="cannot be written"):
            write_task_file(tmp_path / name, TAGS)
    plain: Any = dict(TAGS)
    with pytest.raises(InvalidInputError, match="SessionTags"):
        write_task_file(tmp_path / "task.json", plain)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o602, 0o610, 0o777])
def test_a_task_file_for_others_is_refused(mode: int, tmp_path: Path) -> None:
    """Any permission of group or others is refused, reading, writing and executing alike."""
    path = write_task_file(tmp_path / "task.json", TAGS)
    path.chmod(mode)
    with pytest.raises(InvalidInputError, match=f"mode {mode:04o}"):
        read_task_file(path)


def test_a_task_file_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's owner could change whose data the child reaches."""
    path = write_task_file(tmp_path / "task.json", TAGS)
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(InvalidInputError, match="another user"):
        read_task_file(path)


def test_a_task_file_is_a_regular_file(tmp_path: Path) -> None:
    """A link, a folder, a pipe and a missing file are refused without hanging."""
    path = write_task_file(tmp_path / "task.json", TAGS)
    (tmp_path / "link").symlink_to(path)
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(0o700)
    for name in ("link", "pipe", "folder", "missing", "nul\0"):
        with pytest.raises(InvalidInputError, match="task file"):
            read_task_file(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'"text"',
        b"\xff\xfe",
        b'{"task_id": 7}',
        b'{"task_id": null}',
        b'{"task_id": ""}',
        b'{"task_id": "a/b"}',
        b'{"task_id": "a\\u0000"}',
        b'{"task_id": "a", "task_id": "b"}',
        b'{"task_id": "a", "Task_Id": "b"}',
        b'{"self": "\\u0007"}',
        b'{"task_id": "' + b"x" * 257 + b'"}',
        b'{"task_id": "x", "pad": "' + b" " * 270_000 + b'"}',
        b"[" * 100_000,
    ],
)
def test_a_task_file_holds_valid_tags(content: bytes, tmp_path: Path) -> None:
    """Anything but one object of valid tags is refused; a key given twice is not decided by luck."""
    path = tmp_path / "task.json"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(InvalidInputError):
        read_task_file(path)


def test_a_tag_may_be_called_self(tmp_path: Path) -> None:
    """Any legal tag key works, whatever it means to Python."""
    tags = SessionTags(**{"self": "x", "team:name": "y"})
    assert read_task_file(write_task_file(tmp_path / "task.json", tags)) == tags


def test_the_longest_policy_fits_exactly() -> None:
    """2,048 characters pass and one more is refused, counted without white space."""
    frame = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"%s"}]}'
    room = 2048 - len(frame) + 2
    assert len(parse_session_policy(frame.replace(",", ",  ") % ("x" * room))) == 2048
    with pytest.raises(InvalidInputError, match="2049"):
        parse_session_policy(frame % ("x" * (room + 1)))


def test_models_policy_follows_the_partition() -> None:
    """In another partition the models' ARNs are that partition's, and no resource is a bare star."""
    role = RoleArn.parse(ROLE_ARN.replace("arn:aws:", "arn:aws-us-gov:"), where="role_arn")
    policy = json.loads(models_only(role))
    [statement] = policy["Statement"]
    assert policy == {"Version": "2012-10-17", "Statement": [statement]}
    assert (statement["Effect"], statement["Action"]) == ("Allow", list(INVOKE_ACTIONS))
    resources = statement["Resource"]
    assert resources == [
        "arn:aws-us-gov:bedrock:*::foundation-model/*",
        f"arn:aws-us-gov:bedrock:*:{role.account}:inference-profile/*",
        f"arn:aws-us-gov:bedrock:*:{role.account}:application-inference-profile/*",
    ]
