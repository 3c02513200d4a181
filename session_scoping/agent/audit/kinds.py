"""The kinds of value that matter to the audit, and what their attributes are."""

# The kinds of value that matter. Any other text is the dotted path of something imported.
UNKNOWN = "?"
TASK = "<task session>"
TASKS = "<cache of task sessions>"
AMBIENT = "<ambient session>"
TASK_FACTORY = "<factory of a task session>"
TASK_CLIENT = "<client of a task session>"
AMBIENT_FACTORY = "<ambient factory>"

FACTORY_NAMES = frozenset({"client", "resource", "create_client"})
PARTIAL = "functools.partial"
ROOTS = frozenset({"boto3", "botocore", "aioboto3", "aiobotocore"})
TASK_SESSIONS = frozenset(
    {
        "session_scoping.agent.aio.AioTaskSession",
        "session_scoping.agent.aio.session.AioTaskSession",
        "session_scoping.TaskSession",
        "session_scoping.agent.TaskSession",
        "session_scoping.agent.session.task_session.TaskSession",
    }
)
TASK_CACHES = frozenset(
    {"session_scoping.agent.TaskSessions", "session_scoping.agent.session.task_sessions.TaskSessions"}
)
AMBIENT_MAKERS = frozenset(
    {
        "boto3.Session",
        "boto3.session.Session",
        "boto3._get_default_session",
        "botocore.session.Session",
        "botocore.session.get_session",
        "aioboto3.Session",
        "aioboto3.session.Session",
        "aiobotocore.session.AioSession",
        "aiobotocore.session.get_session",
        "session_scoping.agent.unsafe_ambient_session",
        "session_scoping.agent.session.ambient.unsafe_ambient_session",
    }
)
# What a task's session gives that is a session itself, and the methods that return one.
_SAME_SESSION = frozenset({"boto3_session", "aiobotocore_session"})
_RETURN_A_SESSION = frozenset({"derive", "scoped"})
CLASS, OBJECT, RETURNS = "<class ", "<object of ", "<returns "


def member(owner: str, name: str) -> str:
    """Return what an attribute of a value is."""
    if owner == TASK:
        if name in _RETURN_A_SESSION:
            return f"{RETURNS}{TASK}"
        return TASK_FACTORY if name in FACTORY_NAMES else TASK if name in _SAME_SESSION else UNKNOWN
    if owner == TASKS:
        return f"{RETURNS}{TASK}" if name == "get" else UNKNOWN
    if owner == AMBIENT:
        return AMBIENT_FACTORY if name in FACTORY_NAMES else AMBIENT if name == "boto3_session" else UNKNOWN
    if owner == UNKNOWN or owner.startswith("<"):
        return UNKNOWN
    return kind(f"{owner}.{name}")


def returned(value: str) -> str:
    """Return what calling a function with a known return annotation gives."""
    return value.removeprefix(RETURNS) if value.startswith(RETURNS) else UNKNOWN


def kind(path: str) -> str:
    """Return what an import names."""
    if path in {"boto3.client", "boto3.resource"}:
        return AMBIENT_FACTORY
    return AMBIENT if path == "boto3.DEFAULT_SESSION" else path
