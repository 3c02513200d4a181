"""The orchestrator's function: signs a token for one task and has the worker work with it."""

import json
import os
from datetime import timedelta
from typing import Any

import boto3
from botocore.config import Config

from session_scoping import SessionTags
from session_scoping.orchestrator import TaskTokenSigner

WAIT = Config(read_timeout=900, retries={"total_max_attempts": 1})


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    """
    Return what the worker returned; `event["tags"]` are the task's tags.

    The token goes to the worker by hand: what one state returns stands in the execution's history, for all who may
    read that.
    """
    signer = TaskTokenSigner(
        os.environ["SIGNING_KEY_ARN"], issuer=os.environ["TOKEN_ISSUER"], audience=os.environ["TOKEN_AUDIENCE"]
    )
    token = signer.issue(SessionTags(**event["tags"]), lifetime=timedelta(minutes=15))
    answer = boto3.client("lambda", config=WAIT).invoke(
        FunctionName=os.environ["WORKER"], Payload=json.dumps({"row": event["row"], "token": token}).encode()
    )
    result: dict[str, Any] = json.loads(answer["Payload"].read())
    return result
