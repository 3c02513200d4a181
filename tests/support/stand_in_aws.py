"""
A stand-in for KMS and Lambda on loopback: real RSA, and the real handler behind Invoke.

DynamoDB requests are passed on to moto. moto's own KMS does not know `MessageType=DIGEST`.
"""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.request import Request as Forward
from urllib.request import urlopen

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from session_scoping.contract.errors import FUNCTION_TIMEOUT_SECONDS
from tests.support.loopback import Handler, serving

ACCOUNT = "123456789012"
KEY_ID = "11111111-2222-3333-4444-555555555555"
KEY_ARN = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{KEY_ID}"
OTHER_KEY_ID = "99999999-2222-3333-4444-555555555555"


@cache
def private_key(key_id: str) -> rsa.RSAPrivateKey:
    """Return the key pair of a key id, the same each time."""
    assert key_id in {KEY_ID, OTHER_KEY_ID}
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def sign(message: bytes, key_id: str = KEY_ID) -> bytes:
    """Return the RS256 signature of a message by one of the keys, without KMS."""
    return private_key(key_id).sign(message, padding.PKCS1v15(), hashes.SHA256())


@dataclass(frozen=True)
class Call:
    """One request as it came: `kms:Verify`, `dynamodb:BatchGetItem`, `lambda:Invoke`; and who signed it."""

    action: str
    body: dict[str, Any]
    signed_by: str


@dataclass(frozen=True)
class Wire:
    """One answer: its body, and what else HTTP says."""

    body: str
    status: int = 200
    error: str = ""
    function_error: str = ""
    delay: float = 0.0


class Context:
    """What Lambda passes to a handler."""

    aws_request_id = "7c0a3b1e-0000-4000-8000-000000000001"

    def __init__(self, milliseconds: int = FUNCTION_TIMEOUT_SECONDS * 1000) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        """Return the time the invocation has left."""
        return self._milliseconds


class StandInAws:
    """
    Answers correctly until `behave` is replaced.

    Attributes:
        calls: Every request, in order of arrival.
        behave: Called with each request; returns the answer, or nothing for the correct one.
        function: What Invoke runs.
        dynamodb: Where DynamoDB requests are passed on to.
    """

    def __init__(self) -> None:
        self.url = ""
        self.dynamodb = ""
        self.calls: list[Call] = []
        self.behave: Callable[[Call], Wire | None] = lambda _: None
        self.function: Callable[[Any, Any], Any] = lambda event, _: event

    def actions(self) -> list[str]:
        """Return what was called, in order."""
        return [call.action for call in self.calls]

    def answer(self, call: Call, raw: bytes, headers: dict[str, str]) -> Wire:
        """Note a request and make its answer."""
        self.calls.append(call)
        told = self.behave(call)
        if told is not None:
            return told
        service, _, operation = call.action.partition(":")
        if service == "kms":
            return self._sign(call.body) if operation == "Sign" else self._verify(call.body)
        if service == "dynamodb":
            request = Forward(self.dynamodb, data=raw, headers=headers, method="POST")
            with urlopen(request) as answer:
                return Wire(answer.read().decode())
        try:
            return Wire(json.dumps(self.function(call.body, Context())))
        except Exception as error:
            return Wire(json.dumps({"errorMessage": str(error)}), function_error="Unhandled")

    def _sign(self, body: dict[str, Any]) -> Wire:
        key_id, digest = _asked(body)
        signature = private_key(key_id).sign(digest, padding.PKCS1v15(), Prehashed(hashes.SHA256()))
        return _kms(key_id, Signature=base64.b64encode(signature).decode())

    def _verify(self, body: dict[str, Any]) -> Wire:
        key_id, digest = _asked(body)
        try:
            private_key(key_id).public_key().verify(
                base64.b64decode(body["Signature"]), digest, padding.PKCS1v15(), Prehashed(hashes.SHA256())
            )
        except InvalidSignature:
            return refusal("KMSInvalidSignatureException", 400)
        return _kms(key_id, SignatureValid=True)


def _asked(body: dict[str, Any]) -> tuple[str, bytes]:
    assert (body["MessageType"], body["SigningAlgorithm"]) == ("DIGEST", "RSASSA_PKCS1_V1_5_SHA_256")
    return body["KeyId"].rpartition("/")[2], base64.b64decode(body["Message"])


def _kms(key_id: str, **more: Any) -> Wire:
    arn = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{key_id}"
    return Wire(json.dumps({"KeyId": arn, "SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256", **more}))


def refusal(code: str, status: int) -> Wire:
    """Return an error in the form of the JSON protocols, with a text that must not travel on."""
    return Wire(json.dumps({"__type": code, "message": "PLANTED text of AWS"}), status, error=code)


class _Handler(Handler):
    aws: StandInAws

    def respond(self) -> None:
        raw = self.content()
        target = self.headers.get("X-Amz-Target", "")
        service = {"TrentService": "kms", "DynamoDB_20120810": "dynamodb"}.get(target.partition(".")[0], "lambda")
        action = f"{service}:{target.partition('.')[2] or 'Invoke'}"
        wire = self.aws.answer(Call(action, json.loads(raw), self.signed_by()), raw, dict(self.headers))
        headers = {"Content-Type": "application/x-amz-json-1.1"}
        headers |= {"x-amzn-ErrorType": wire.error} if wire.error else {}
        headers |= {"X-Amz-Function-Error": wire.function_error} if wire.function_error else {}
        self.answer(wire.body, wire.status, headers, delay=wire.delay)


@contextmanager
def running_aws() -> Iterator[StandInAws]:
    """Run a stand-in on a free loopback port for the length of the block."""
    aws = StandInAws()
    for key_id in (KEY_ID, OTHER_KEY_ID):
        private_key(key_id)  # here, where no client waits for it
    with serving(_Handler, aws=aws) as aws.url:
        yield aws
