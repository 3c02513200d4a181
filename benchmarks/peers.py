"""The agent half and other packages that assume roles, on one stand-in STS; each answer from a process of its own."""

from collections.abc import Iterator, Sequence
from statistics import median

from benchmarks.peer_sessions import SIDES
from benchmarks.process import run
from benchmarks.report import Table, met

OURS = "session-scoping"
# Question of peer_client -> what it measures, digits, and how often it is asked. Less is better everywhere.
FIGURES: dict[str, tuple[str, int, int]] = {
    "one_error": ("STS answers the first request with 503: seconds to credentials, median of 15", 2, 1),
    "errors 0.05": ("STS fails 5 % of its requests: % of first calls without credentials", 0, 1),
    "errors 0.5": ("STS fails 50 % of its requests: % of first calls without credentials", 0, 1),
    "hanging": ("STS takes 5 s to fail, the keys have 14 minutes left: longest of five calls, seconds", 2, 1),
    "outage": ("STS fails for 14 minutes as the refresh is due: minutes without credentials", 0, 1),
    "eight_hours": ("eight hours, a call a minute: calls that no live key signed", 0, 1),
    "calls": ("eight hours: AssumeRole calls", 0, 1),
    "threads": ("fifty threads need credentials at once: AssumeRole calls", 0, 1),
    "memory": ("each further session with three clients: MiB", 1, 3),
    "processor": ("each further session with three clients: ms of processor time", 0, 3),
    "read": ("one look at valid credentials: microseconds", 2, 3),
}
FEATURES = {
    "another_role": "refuses credentials of another role",
    "expired": "refuses credentials that have ended",
    "other_keys": "refuses a client with other keys",
    "bearer": "signs for Bedrock while AWS_BEARER_TOKEN_BEDROCK is set",
    "hidden_in_repr": "the repr of a set of keys hides the secret",
    "hidden_in_logs": "DEBUG records of AssumeRole hide tags and new keys",
    "not_pickled": "credentials cannot be pickled",
}
# A measured figure this much above the best one counts as equal: the machine, and chance.
SLACK = dict.fromkeys(("memory", "processor", "read", "one_error", "errors"), 1.25)


def tables() -> Iterator[Table]:
    """Ask every question of every package."""
    rows, features = [], []
    for question, (what, digits, times) in FIGURES.items():
        found = [median(_answers(side, question, times)) for side in SIDES]
        others, ours = found[:-1], found[-1]
        equal = ours <= min(others) * SLACK.get(question.split()[0], 1.0) + (3 if question == "errors 0.5" else 0.05)
        rows.append((what, *(f"{one:.{digits}f}" for one in found), met(equal)))
    for question, what in FEATURES.items():
        has = [bool(_answers(side, question, 1)[0]) for side in SIDES]
        features.append((what, *("yes" if one else "no" for one in has), met(has[-1] or not any(has))))
    head = (*SIDES, f"{OURS} at least equal")
    yield Table("peers", ("figure", *head), rows)
    yield Table("peer-features", ("feature", *head), features)


def _answers(side: str, question: str, times: int) -> Sequence[float]:
    return [float(run("benchmarks.peer_client", side, *question.split()).report) for _ in range(times)]
