"""
The function's entry point: `{"token": "<JWT>"}` in, credentials or a refusal out; one JSON line per decision.

It always answers: no exception leaves it, since the runtime would print its traceback. No line holds the token, a
tag's value or a credential; `jti` says which token it was.

**Not protected:** a holder of a valid token that may invoke the function gets the task's credentials, as often as
they like, until it expires or is revoked. A token is not spent by its first use: the task refreshes with it.
"""

import json
import logging
import os
import sys
import time
from typing import Any

from session_scoping.lambdas.credential_broker.checks import check_claims, read_token
from session_scoping.lambdas.credential_broker.exchange import LONGEST_CALL_SECONDS, Exchange
from session_scoping.lambdas.credential_broker.refusal import RefusedError, refusal_of
from session_scoping.lambdas.credential_broker.settings import Settings

_kept: Exchange | None = None
_clock = time.time


def handler(event: Any, context: Any) -> dict[str, Any]:
    """
    Exchange a task token for credentials.

    Args:
        event: `{"token": "<JWT>"}`.
        context: Lambda's context: its request id and the time left.

    Returns:
        `{"Credentials": {...}, "AssumedRoleUser": {"Arn": ...}}` in the spelling of STS, or
        `{"error": {"code": ..., "retryable": ..., "message": ...}}`; codes: `session_scoping.contract.errors`.
    """
    line: dict[str, Any] = {
        "event": "task_token",
        "request_id": getattr(context, "aws_request_id", None),
        "cold_start": _kept is None,
        "jti": None,
        "verified": False,
    }
    started = time.monotonic()
    try:
        answer = _decide(event, context, line)
        line["code"] = "Issued"
    except Exception as error:
        refused = refusal_of(error, "unforeseen")
        line |= {"code": refused.code, "check": refused.check, "cause": refused.cause}
        answer = refused.answer()
    line["duration_ms"] = round((time.monotonic() - started) * 1000)
    sys.stdout.write(json.dumps(line) + "\n")
    return answer


def _decide(event: Any, context: Any, line: dict[str, Any]) -> dict[str, Any]:
    exchange = _exchange()
    now = _clock()
    token = read_token(event)
    line["jti"] = token.claims.token_id
    check_claims(token, exchange.settings, now)
    _require_time(context, "signature")
    exchange.check_signature(token)
    line["verified"] = True
    _require_time(context, "revocation")
    exchange.check_not_revoked(token.claims, now)
    _require_time(context, "assume")
    return exchange.assume(token.claims, now)


def _exchange() -> Exchange:
    global _kept
    if _kept is None:
        # At DEBUG, which a function's log level may ask for, these print requests and answers: tags and new keys.
        for name in ("botocore", "urllib3"):
            logging.getLogger(name).setLevel(logging.WARNING)
        _kept = Exchange(Settings.read(os.environ))
    return _kept


def _require_time(context: Any, check: str) -> None:
    """Refuse while there is time to: a function that is cut off answers nothing."""
    if context.get_remaining_time_in_millis() < LONGEST_CALL_SECONDS * 1000:
        raise RefusedError("Unavailable", check, "NoTimeLeft")
