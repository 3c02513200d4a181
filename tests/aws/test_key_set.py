"""The issuer's key set: what the custom resource's function writes, against an independent reader of keys."""

import json
import subprocess
import sys
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from moto import mock_aws

from session_scoping.contract import environment
from session_scoping.lambdas.bundle import KEY_SET
from session_scoping.lambdas.key_set import handler
from session_scoping.lambdas.key_set.jwk import _read, jwk_of
from tests.support.loopback import Handler, serving


def _der(key: Any) -> bytes:
    der: bytes = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def _int(text: str) -> int:
    assert "=" not in text
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


@pytest.mark.parametrize("size", [2048, 3072, 4096])
@pytest.mark.parametrize("exponent", [3, 65537])
def test_a_key_keeps_its_numbers(size: int, exponent: int) -> None:
    """Modulus and exponent are those `cryptography` reads, whatever the size."""
    key = rsa.generate_private_key(exponent, size)
    numbers = key.public_key().public_numbers()
    jwk = jwk_of(_der(key), key_id="k")
    assert (_int(jwk["n"]), _int(jwk["e"])) == (numbers.n, numbers.e)
    assert {name: jwk[name] for name in ("kty", "use", "alg", "kid")} == {
        "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k",
    }  # fmt: skip
    assert urlsafe_b64decode(jwk["n"] + "==")[0] != 0  # RFC 7518 section 2, Base64urlUInt: no leading zero


def test_what_is_no_rsa_key_is_refused() -> None:
    """Another kind of key, a cut one, a longer one, and nothing at all."""
    der = _der(rsa.generate_private_key(65537, 2048))
    other = _der(ec.generate_private_key(ec.SECP256R1()))
    for wrong in (other, der[:-1], der + b"\x00", b"", b"\x30\x80", der[:30], b"\x30\x89" + b"\xff" * 9):
        with pytest.raises(ValueError, match=r"\w"):
            jwk_of(wrong, key_id="k")


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_length_may_take_one_to_four_bytes(count: int) -> None:
    """DER writes a length of 128 and more behind the number of its bytes; none and five are refused."""
    content = bytes(200)
    for bytes_of_length, readable in ((count, True), (0, False), (5, False)):
        head = bytes([0x30, 0x80 | bytes_of_length]) + len(content).to_bytes(max(bytes_of_length, 1), "big")
        if readable:
            assert _read(head + content + b"rest", 0x30) == (content, b"rest")
        else:
            with pytest.raises(ValueError, match="a length that cannot be read"):
                _read(head + content, 0x30)


@pytest.fixture
def answers() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Where CloudFormation listens, and what it received."""
    told: list[dict[str, Any]] = []

    class Listener(Handler):
        def respond(self) -> None:
            told.append(json.loads(self.content()))
            self.answer("")

    with serving(Listener) as url:
        yield f"{url}/", told


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, str]]:
    """S3 with the bucket, and a signing key."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws(config={"core": {"passthrough": {"urls": ["http://127.0.0.1.*"]}}}):
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="keys")
        key = boto3.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
        monkeypatch.setenv(environment.KEY_SET_BUCKET, "keys")
        monkeypatch.setenv(environment.KEY_SET_ISSUER, "https://tokens.example.com")
        monkeypatch.setenv(environment.KEY_SET_KEYS, key)
        yield s3, key


def _event(kind: str, url: str, **properties: Any) -> dict[str, Any]:
    return {
        "RequestType": kind, "ResponseURL": url, "StackId": "s", "RequestId": "r", "LogicalResourceId": "l",
        "ResourceProperties": properties,
    }  # fmt: skip


CONTEXT = SimpleNamespace(log_stream_name="stream")


def test_the_function_writes_takes_down_and_always_answers(
    aws: tuple[Any, str], answers: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Create writes both documents under the key's id, Delete removes them, a failure is reported without its cause."""
    s3, key = aws
    url, told = answers
    handler.handler(_event("Create", url), CONTEXT)
    found = {name: json.loads(s3.get_object(Bucket="keys", Key=name)["Body"].read())
             for name in (handler.DISCOVERY, handler.KEY_SET)}  # fmt: skip
    for name in found:
        head = s3.head_object(Bucket="keys", Key=name)
        # STS must see a rotated key within minutes.
        assert (head["ContentType"], head["CacheControl"]) == ("application/json", "max-age=300")
    assert found[handler.DISCOVERY]["issuer"] == "https://tokens.example.com"
    assert found[handler.DISCOVERY]["jwks_uri"] == f"https://tokens.example.com/{handler.KEY_SET}"
    (jwk,) = found[handler.KEY_SET]["keys"]
    assert jwk["kid"] == key.rpartition("/")[2]
    assert jwk == jwk_of(boto3.client("kms").get_public_key(KeyId=key)["PublicKey"], key_id=jwk["kid"])
    monkeypatch.setenv(environment.KEY_SET_KEYS, f"{key},arn:aws:kms:us-east-1:111122223333:key/none")
    handler.handler(_event("Update", url), CONTEXT)
    handler.handler(_event("Delete", url), CONTEXT)
    assert [one["Status"] for one in told] == ["SUCCESS", "FAILED", "SUCCESS"]
    assert {one["PhysicalResourceId"] for one in told} == {"key-set-of-keys"}
    assert told[1]["Reason"].endswith("see log stream stream")
    assert s3.list_objects_v2(Bucket="keys")["KeyCount"] == 0


def test_what_the_caller_names_is_not_read(aws: tuple[Any, str], answers: tuple[str, list[dict[str, Any]]]) -> None:
    """A principal that may invoke the function can publish no key of its own, for no issuer, in no other bucket."""
    s3, key = aws
    url, told = answers
    forged = boto3.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    s3.create_bucket(Bucket="elsewhere")
    handler.handler(_event("Create", url, Bucket="elsewhere", Issuer="https://evil.example", Keys=[forged]), CONTEXT)
    published = json.loads(s3.get_object(Bucket="keys", Key=handler.KEY_SET)["Body"].read())
    assert [one["kid"] for one in published["keys"]] == [key.rpartition("/")[2]]
    discovery = s3.get_object(Bucket="keys", Key=handler.DISCOVERY)["Body"].read()
    assert b"evil" not in discovery
    handler.handler(_event("Delete", url, Bucket="elsewhere"), CONTEXT)
    assert s3.list_objects_v2(Bucket="elsewhere")["KeyCount"] == 0
    assert [one["PhysicalResourceId"] for one in told] == ["key-set-of-keys"] * 2


def test_without_its_environment_the_function_fails_and_says_so(
    aws: tuple[Any, str], answers: tuple[str, list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No variable has a default, and CloudFormation is told all the same."""
    url, told = answers
    monkeypatch.delenv(environment.KEY_SET_BUCKET)
    handler.handler(_event("Create", url, Bucket="keys", Issuer="https://tokens.example.com", Keys=[aws[1]]), CONTEXT)
    assert [one["Status"] for one in told] == ["FAILED"]
    assert aws[0].list_objects_v2(Bucket="keys")["KeyCount"] == 0


def test_the_answer_waits_for_cloudformation_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL is signed for a PUT without a content type, and the function's own time is not spent on waiting."""
    sent: list[tuple[Any, float]] = []

    def take(request: Any, timeout: float) -> Any:
        sent.append((request, timeout))
        return nullcontext()

    monkeypatch.setattr(handler, "urlopen", take)
    handler._answer(_event("Create", "https://cloudformation.example.com/"), "SUCCESS", "")
    ((request, timeout),) = sent
    assert (request.method, request.headers, timeout) == ("PUT", {"Content-type": ""}, 10)


def test_the_bundle_is_what_the_handler_imports(tmp_path: Path) -> None:
    """Staged alone it imports, and every staged file is imported: nothing missing and nothing too many."""
    KEY_SET.stage(tmp_path)
    script = (
        f"import sys; import {KEY_SET.handler.rpartition('.')[0]}; "
        "print(*sorted(m.__file__ for n, m in sys.modules.items() if n.startswith('session_scoping')), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(tmp_path)},
    )  # fmt: skip
    loaded = {str(Path(line).relative_to(tmp_path / "session_scoping")) for line in done.stdout.split()}
    assert loaded == set(KEY_SET.staged)
