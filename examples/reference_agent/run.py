"""One task from start to end."""

from collections.abc import Callable

from examples.reference_agent import config, memory, server, shell, telemetry
from examples.reference_agent.nudge_reader import take_nudges
from examples.reference_agent.progress_writer import ProgressWriter
from examples.reference_agent.settings import Settings
from examples.reference_agent.task_state import read_task, set_status
from session_scoping.agent import TaskSession

Work = Callable[[str, list[str]], int]
"""Does the task: takes its description and the messages so far, returns an exit code."""


def run_task(session: TaskSession, settings: Settings, work: Work) -> int:
    """
    Run one task and return its exit code.

    Args:
        session: The task's session. It is verified before anything else happens.
        settings: Resource names.
        work: Does the task.

    Raises:
        NotScopedError: The session could reach beyond the task. Nothing was read or written.
    """
    identity = session.verify()
    stream = identity.arn.rsplit("/", 1)[-1]
    telemetry.open_log_stream(settings, stream)
    server.log_started(settings, stream)
    config.read_repository_token(settings)
    try:
        return _work(session, settings, stream, work)
    except Exception as error:
        server.log_failed(settings, stream, error)
        raise


def _work(session: TaskSession, settings: Settings, stream: str, work: Work) -> int:
    progress = ProgressWriter(session, settings)
    set_status(session, settings, "RUNNING")
    progress.write("status", "started")
    task = read_task(session, settings)
    code = work(str(task.get("description", "")), take_nudges(session, settings))
    shell.log_exit_code(settings, stream, code)
    telemetry.upload_trace(session, settings, [{"name": "work", "exit_code": code}])
    telemetry.log_metric(settings, stream, "exit_code", code)
    set_status(session, settings, "DONE" if code == 0 else "FAILED")
    progress.write("status", "ended")
    memory.remember(settings, repo=session.tags["repo"], task_id=session.tags["task_id"], text="task ended")
    return code
