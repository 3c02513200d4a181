"""`session-scoping run`, with real children of real SDKs: the task's credentials, or none."""

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from session_scoping.agent import write_task_file
from tests.support import ROOT
from tests.support.sdk_children import NO_CREDENTIALS, RUN, SDKS, ambient_sources, running_service
from tests.support.stand_in_sts import Reply, StandInSts, error
from tests.support.task import AMBIENT_KEY, LONG, TAGS

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
TASK_KEY = "ASIATASKKEY000000001"


@pytest.fixture
def start(tmp_path: Path, sts: StandInSts) -> list[str]:
    """Return what goes before a command to make it a child of the task."""
    assert sts.url
    return [*RUN, "--task-file", str(write_task_file(tmp_path / "task.json", TAGS)), "--"]


@pytest.fixture
def run(start: list[str]) -> Run:
    """Return a way to run a command as a child of the task, to its end."""

    def run_it(
        *command: str, stdin: bytes = b"", env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        environment = None if env is None else {**os.environ, **env}
        return subprocess.run(
            [*start, *command], input=stdin, capture_output=True, timeout=LONG, check=False, cwd=ROOT, env=environment
        )

    return run_it


# --- SDKs (the AWS CLI too, by make test-aws-cli) ---------------------------------------------------------------------


@pytest.mark.parametrize("sdk", SDKS)
def test_a_child_signs_with_the_task_s_credentials(sdk: str, run: Run, sts: StandInSts, tmp_path: Path) -> None:
    """Whatever else an SDK could find, in the environment and in HOME, it signs with the task's key."""
    with running_service() as (url, signers):
        env = {**ambient_sources(tmp_path / "home", sts), "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url}
        done = run(*SDKS[sdk], env=env)
    assert done.returncode == 0, done.stderr
    assert signers == [TASK_KEY]


@pytest.mark.parametrize("sdk", SDKS)
def test_a_child_without_credentials_fails(sdk: str, run: Run, sts: StandInSts, tmp_path: Path) -> None:
    """When STS refuses the task, the child's call is not sent, by nobody's keys, and no other source is asked."""
    sts.behave = lambda request: error("AccessDenied", 403) if request.action == "AssumeRole" else None
    with running_service() as (url, signers):
        env = {**ambient_sources(tmp_path / "home", sts), "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url}
        done = run(*SDKS[sdk], env=env)
    assert done.returncode != 0
    assert NO_CREDENTIALS[sdk] in done.stderr
    assert signers == []
    assert {request.action for request in sts.requests} == {"AssumeRole"}
    assert b"got AccessDenied from STS" in done.stderr
    assert b"the command is started" in done.stderr


@pytest.mark.parametrize("bearer", [True, False])
@pytest.mark.parametrize("sdk", SDKS)
def test_the_same_child_alone_signs_with_something_else(
    sdk: str, bearer: bool, sts: StandInSts, tmp_path: Path
) -> None:
    """The sources planted above do work: without `run` the call is signed by the bearer token, or by a planted key."""
    with running_service() as (url, signers):
        environment = os.environ | ambient_sources(tmp_path / "home", sts) | {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url}
        if not bearer:
            del environment["AWS_BEARER_TOKEN_BEDROCK"]
        done = subprocess.run(SDKS[sdk], capture_output=True, check=False, timeout=LONG, cwd=ROOT, env=environment)
    if bearer:  # boto3 goes as far as to refuse to send the token over http
        assert signers == ["Bearer planted-token"] or b"Bearer authorization requires" in done.stderr
    else:
        assert [key[:11] for key in signers] == ["AKIAPLANTED"]


# --- what a child gets -----------------------------------------------------------------------------------------------


def test_streams_and_exit_code_pass_through(run: Run) -> None:
    """Standard input and output are the child's, byte for byte, and so is its exit code; nothing is added to them."""
    content = bytes(range(256)) * 1000
    done = run("sh", "-c", "cat; echo said >&2; exit 7", stdin=content)
    assert (done.returncode, done.stdout, done.stderr) == (7, content, b"said\n")


def test_arguments_pass_through(run: Run) -> None:
    """What looks like an option of ours, a second `--` and an empty word are the command's."""
    words = ["--task-file", "--", "", "-h", "a b", "*"]
    script = "import json, sys; print(json.dumps(sys.argv[1:]))"
    assert json.loads(run(sys.executable, "-c", script, *words).stdout) == words


def test_the_child_is_what_it_would_be_without_the_parent(run: Run) -> None:
    """Signal masks and ignored signals are those of a program started by hand; it is in the parent's process group."""
    script = "sed -n '/^Sig[BI]/p' /proc/self/status; ps -o pgid= -p $$ -p $PPID | sort -u | wc -l"
    done = run("sh", "-c", script)
    alone = subprocess.run(["sh", "-c", script], capture_output=True, check=True)
    masks = [
        # 32 and 33 are glibc's own, which its posix_spawn leaves ignored: no program can use them. Source: nptl(7).
        [int(line.split()[1], 16) & ~(0b11 << 31) for line in ran.stdout.splitlines()[:2]]
        for ran in (done, alone)
    ]
    assert masks[0] == masks[1]
    assert done.stdout.split()[-1] == b"1"


def test_a_policy_narrows_the_child(run: Run, start: list[str], sts: StandInSts, tmp_path: Path) -> None:
    """Without a policy file the child has what the task has; with one, STS is sent the policy."""
    assert run("true").returncode == 0
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    file = tmp_path / "policy.json"
    file.touch(0o600)
    file.write_text(json.dumps(policy, indent=4))
    subprocess.run([*start[:-1], "--policy-file", str(file), "--", "true"], check=True, timeout=LONG, cwd=ROOT)
    assert [request.form.get("Policy") for request in sts.requests] == [None, json.dumps(policy, separators=(",", ":"))]
    assert {request.signed_by for request in sts.requests} == {AMBIENT_KEY}


# --- signals ---------------------------------------------------------------------------------------------------------

CATCHING = """
import signal, sys, time
seen = []
def note(number, frame): seen.append(number)
for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"): signal.signal(getattr(signal, name), note)
print("ready", flush=True)
end = time.monotonic() + 60
while not seen and time.monotonic() < end: time.sleep(0.01)
time.sleep(0.3)
print(*map(int, seen), flush=True)
sys.exit(40)
"""


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_reaches_the_child_once(sent: signal.Signals, start: list[str]) -> None:
    """The child decides what a signal means: its exit code is the parent's."""
    with subprocess.Popen([*start, sys.executable, "-c", CATCHING], stdout=subprocess.PIPE, cwd=ROOT) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"ready\n"
        parent.send_signal(sent)
        out, _ = parent.communicate(timeout=LONG)
    assert out == b"%d\n" % sent
    assert parent.returncode == 40


@pytest.mark.parametrize("ending", ["TERM", "KILL", "SEGV"])
def test_a_signal_that_ends_the_child_is_128_and_its_number(ending: str, run: Run) -> None:
    """As shells do."""
    assert run("sh", "-c", f"kill -{ending} $$").returncode == 128 + getattr(signal, f"SIG{ending}")


def test_ctrl_c_on_a_terminal_reaches_the_child_once(start: list[str]) -> None:
    """The terminal sends it to both; it is not forwarded a second time."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvp(start[0], [*start, sys.executable, "-c", CATCHING])
    said = b""
    with suppress(OSError):  # the terminal's end, once nobody has it open
        while part := os.read(terminal, 1000):
            said += part
            if said.endswith(b"ready\r\n"):
                os.write(terminal, b"\x03")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert said.split()[-1].removeprefix(b"^C") == b"2"
    assert os.waitstatus_to_exitcode(status) == 40


def test_a_signal_before_the_command_starts_ends_the_parent(start: list[str], sts: StandInSts, tmp_path: Path) -> None:
    """While STS hangs, Ctrl-C works, and nothing is started."""
    sts.behave = lambda _: Reply("", 500, delay=LONG)
    made = tmp_path / "made"
    # What a shell starts in the background ignores Ctrl-C, and its children inherit that.
    heeding = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen([*start, "touch", str(made)], stderr=subprocess.PIPE, cwd=ROOT, preexec_fn=heeding) as parent:
        end = time.monotonic() + LONG
        while not sts.requests and time.monotonic() < end:
            time.sleep(0.01)
        parent.send_signal(signal.SIGINT)
        _, said = parent.communicate(timeout=LONG)
    assert parent.returncode == 128 + signal.SIGINT
    assert b"Traceback" not in said
    assert not made.exists()


def test_the_endpoint_ends_with_the_child(run: Run) -> None:
    """What the child leaves behind gets no more credentials."""
    script = (
        "import os, socket, time, urllib.parse\n"
        "port = urllib.parse.urlsplit(os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI']).port\n"
        "socket.create_connection(('127.0.0.1', port)).close()\n"
        "print(port)"
    )
    port = int(run(sys.executable, "-c", script).stdout)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=LONG)


def test_standard_output_stays_the_child_s_without_standard_error(start: list[str], sts: StandInSts) -> None:
    """What the parent has to say is dropped rather than mixed into the child's output."""
    sts.behave = lambda _: error("AccessDenied", 403)
    close = ["sh", "-c", 'exec "$0" "$@" 2>&-']
    done = subprocess.run([*close, *start, "echo", "said"], stdout=subprocess.PIPE, check=True, cwd=ROOT, timeout=LONG)
    assert done.stdout == b"said\n"


# --- what cannot be run ----------------------------------------------------------------------------------------------


def test_a_command_that_cannot_be_started_says_so(run: Run, tmp_path: Path) -> None:
    """127 where there is none and 126 where it cannot be executed, as env(1) and shells do."""
    (tmp_path / "text").write_text("x")
    for command, code in (("no-such-command-here", 127), (str(tmp_path / "text"), 126), (str(tmp_path), 126)):
        done = run(command)
        assert done.returncode == code
        assert done.stdout == b""
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("fault", ["task file", "policy", "role"])
def test_a_task_that_cannot_be_used_starts_nothing(
    fault: str, start: list[str], sts: StandInSts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """125, one line that says why, and neither a command nor a request."""
    options: list[str] = []
    if fault == "task file":
        (tmp_path / "task.json").chmod(0o644)
    elif fault == "policy":
        (tmp_path / "policy.json").touch(0o644)
        (tmp_path / "policy.json").write_text('{"Version": "2012-10-17", "Statement": [{}]}')
        options = ["--policy-file", str(tmp_path / "policy.json")]
    else:
        monkeypatch.delenv("AGENT_SESSION_ROLE_ARN")
    made = tmp_path / "made"
    done = subprocess.run([*start[:-1], *options, "--", "touch", str(made)], capture_output=True, check=False, cwd=ROOT)
    assert done.returncode == 125
    assert len(done.stderr.splitlines()) == 1
    assert fault.encode() in done.stderr
    assert not made.exists()
    assert sts.requests == []


def test_a_command_line_without_a_task_or_a_command_is_two(start: list[str], sts: StandInSts) -> None:
    """2, and nothing is started."""
    assert subprocess.run([*RUN, "--", "true"], capture_output=True, check=False, cwd=ROOT).returncode == 2
    assert subprocess.run(start, capture_output=True, check=False, cwd=ROOT).returncode == 2
    assert sts.requests == []
