"""One package against one behaviour of a stand-in STS, in this process; prints one JSON value."""

import json
import os
import pickle
import random
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import boto3
import botocore.credentials

from benchmarks.peer_sessions import SIDES, TAGS, Time
from tests.support.stand_in_sts import Reply, StandInSts, assumed_arn, error, running_sts


def key_of(session: boto3.Session) -> str | None:
    """Return the key that would sign now; nothing when there is none."""
    try:
        found: Any = session.get_credentials()
        key: str = found.get_frozen_credentials().access_key
    except Exception:
        return None
    return key


def one_error(make: Callable[[], boto3.Session], sts: StandInSts) -> float:
    """Return the seconds from no session to credentials, when the first answer is a 503: the median of 15."""
    sts.behave = lambda _: error("ServiceUnavailable", 503) if len(sts.requests) == 1 else None
    took = []
    for _ in range(15):
        sts.requests.clear()
        begin = time.monotonic()
        session = make()  # some ask STS here, others at the first call
        while key_of(session) is None and time.monotonic() - begin < 40:
            time.sleep(0.1)
        took.append(time.monotonic() - begin)
    return statistics.median(took)


def errors(make: Callable[[], boto3.Session], sts: StandInSts, share: float) -> float:
    """Return the percentage of sixty first calls without credentials, when STS fails this share of its requests."""
    chance = random.Random(7)
    sts.behave = lambda _: error("ServiceUnavailable", 503) if chance.random() < share else None
    with ThreadPoolExecutor(10) as pool:
        return 100 * statistics.mean(key is None for key in pool.map(lambda _: key_of(make()), range(60)))


def hanging(make: Callable[[], boto3.Session], sts: StandInSts) -> float:
    """Return the longest of five calls in seconds, when STS takes five seconds to fail and the keys have 14 minutes."""
    session = make()
    key_of(session)
    Time.now += timedelta(minutes=46)
    sts.behave = lambda _: replace(error("ServiceUnavailable", 503), delay=5)
    return max(_seconds(lambda: key_of(session)) for _ in range(5))


def outage(make: Callable[[], boto3.Session], sts: StandInSts) -> int:
    """Return the minutes without credentials, when STS fails for the 14 minutes in which botocore is to refresh."""
    session, missed = make(), 0
    for minute in range(120):
        sts.behave = (lambda _: error("AccessDenied", 403)) if 44 <= minute < 58 else (lambda _: None)
        missed += key_of(session) is None
        time.sleep(0.01)  # what is done in the background is done
        Time.now += timedelta(minutes=1)
    return missed


def eight_hours(make: Callable[[], boto3.Session], sts: StandInSts) -> int:
    """Return the calls that no live key signed, one a minute for eight hours."""
    session, missed = make(), 0
    for _ in range(8 * 60):
        key = key_of(session)
        missed += key is None or sts.serve(key).status != 200
        time.sleep(0.005)
        Time.now += timedelta(minutes=1)
    return missed


def calls(make: Callable[[], boto3.Session], sts: StandInSts) -> int:
    """Return the AssumeRole calls of eight hours."""
    eight_hours(make, sts)
    return sts.count()


def threads(make: Callable[[], boto3.Session], sts: StandInSts) -> int:
    """Return the AssumeRole calls that fifty threads make which need credentials at the same time."""
    session = make()
    sts.behave = lambda request: Reply(sts.assumed(request).body, delay=0.2)
    ready = threading.Barrier(50)

    def use() -> None:
        ready.wait()
        key_of(session)

    started = [threading.Thread(target=use) for _ in range(50)]
    for one in started:
        one.start()
    for one in started:
        one.join()
    return sts.count()


def another_role(make: Callable[[], boto3.Session], sts: StandInSts) -> bool:
    """Return whether credentials of another role are refused."""
    other = assumed_arn("arn:aws:iam::123456789012:role/Other", "x")
    sts.behave = lambda request: sts.assumed(request, arn=other)
    return key_of(make()) is None


def expired(make: Callable[[], boto3.Session], sts: StandInSts) -> bool:
    """Return whether credentials that ended a minute ago are refused."""
    sts.behave = lambda request: sts.assumed(request, lasts=-60)
    return key_of(make()) is None


def bearer(make: Callable[[], boto3.Session], _: StandInSts) -> bool:
    """Return whether a Bedrock client signs with the role's keys while AWS_BEARER_TOKEN_BEDROCK is set."""
    os.environ["AWS_BEARER_TOKEN_BEDROCK"] = "token"
    client: Any = make().client("bedrock-runtime")
    signed: list[str] = []
    client.meta.events.register("before-sign.*.*", lambda signature_version, **_: signed.append(signature_version))
    try:
        client.invoke_model(modelId="m", body=b"{}")
    except Exception:
        return signed[:1] == ["v4"]
    return signed[:1] == ["v4"]


def other_keys(make: Callable[[], boto3.Session], _: StandInSts) -> bool:
    """Return whether a client with other keys is refused."""
    try:
        make().client("s3", aws_access_key_id="AKIA", aws_secret_access_key="x")
    except Exception:
        return True
    return False


def hidden_in_repr(make: Callable[[], boto3.Session], _: StandInSts) -> bool:
    """Return whether the repr of a set of keys hides the secret."""
    found: Any = make().get_credentials()
    frozen = found.get_frozen_credentials()
    return frozen.secret_key not in repr(frozen)


def hidden_in_logs(make: Callable[[], boto3.Session], _: StandInSts) -> bool:
    """Return whether no DEBUG record of the AssumeRole call holds a tag's value or a new secret key."""
    import logging

    lines: list[str] = []

    class Everything(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    logging.getLogger().addHandler(Everything())
    logging.getLogger().setLevel(logging.DEBUG)
    found: Any = make().get_credentials()
    frozen = found.get_frozen_credentials()
    return not any(frozen.secret_key in line or TAGS["repo"] in line for line in lines)


def not_pickled(make: Callable[[], boto3.Session], _: StandInSts) -> bool:
    """Return whether the credentials cannot be pickled."""
    found: Any = make().get_credentials()
    found.get_frozen_credentials()
    try:
        pickle.dumps(found)
    except Exception:
        return True
    return False


SERVICES = ("dynamodb", "s3", "bedrock-runtime")


def memory(make: Callable[[], boto3.Session], _: StandInSts) -> float:
    """Return the MiB of each session with three clients after the first, over thirty."""
    kept = [_clients(make)]
    begin = _resident_mib()
    kept += [_clients(make) for _ in range(30)]
    return (_resident_mib() - begin) / 30


def processor(make: Callable[[], boto3.Session], _: StandInSts) -> float:
    """Return the milliseconds of processor time of each further session with three clients: the median of ten."""
    kept, took = [_clients(make)], []
    for _again in range(10):
        began = time.process_time()
        kept.append(_clients(make))
        took.append(1000 * (time.process_time() - began))
    return statistics.median(took)


def read(make: Callable[[], boto3.Session], _: StandInSts) -> float:
    """Return the microseconds of one look at valid credentials, the fastest of fifty rounds of two hundred."""
    found: Any = make().get_credentials()
    found.get_frozen_credentials()
    rounds = []
    for _round in range(50):
        began = time.perf_counter()
        for _look in range(200):
            found.get_frozen_credentials()
        rounds.append((time.perf_counter() - began) / 200 * 1e6)
    return min(rounds)


def _clients(make: Callable[[], boto3.Session]) -> list[Any]:
    session = make()
    return [session, *(session.client(name) for name in SERVICES)]  # type: ignore[call-overload]


def _resident_mib() -> float:
    with open("/proc/self/statm") as file:  # noqa: PTH123 - no path of ours
        return int(file.read().split()[1]) * resource.getpagesize() / 1024**2


def _seconds(call: Callable[[], object]) -> float:
    begin = time.monotonic()
    call()
    return time.monotonic() - begin


def main() -> None:
    """Run the question that the command line names for one package."""
    side, question, *arguments = sys.argv[1:]
    asked: Callable[..., Any] = globals()[question]
    # The packages on botocore's credentials have no clock to pass, and botocore's own is the default of a parameter.
    vars(botocore.credentials)["shared_time"] = Time.read
    botocore.credentials._local_now.__code__ = (lambda: shared_time()).__code__  # type: ignore # noqa: F821
    for name in list(os.environ):
        if name.startswith(("AWS_", "AGENT_")):
            del os.environ[name]
    with running_sts() as sts:
        sts.now = Time.read
        os.environ |= {
            "AWS_ACCESS_KEY_ID": "AKIAAMBIENTCOMPUTE01",
            "AWS_SECRET_ACCESS_KEY": "x",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_ENDPOINT_URL": sts.url,
        }
        print(json.dumps(asked(SIDES[side], sts, *map(float, arguments))))


if __name__ == "__main__":
    main()
