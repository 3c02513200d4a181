"""
The compact form of a task token (JWS, RS256): written by the signer, read strictly by everyone else.

Reading proves nothing about who signed: `UnverifiedToken` says so in its name. The broker, or STS, checks the
signature.

Source:
    RFC 7515 section 7.1 (compact form), RFC 7518 section 3.3 (RS256), RFC 8725 (best current practices).
"""

import base64
import binascii
import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from session_scoping.contract import strict_json
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.task_token import TaskToken

ALGORITHM = "RS256"
KMS_ALGORITHM = "RSASSA_PKCS1_V1_5_SHA_256"
"""The same algorithm in KMS's words. Source: KMS API_Sign, SigningAlgorithm."""

LONGEST_TOKEN = 20_000
"""Characters. Source: STS API_AssumeRoleWithWebIdentity, WebIdentityToken."""

# Source: KMS key-id concept: a UUID, or `mrk-` and 32 hexadecimal digits for a multi-Region key.
_KEY_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|mrk-[0-9a-f]{32}"
_KEY_ARN = rf"arn:aws[a-z-]{{0,20}}:kms:[a-z0-9-]{{1,32}}:[0-9]{{12}}:key/({_KEY_ID})"
_PART = r"[A-Za-z0-9_-]+"


def key_id_of(key: str) -> str:
    """
    Return the `kid` of a signing key: the key id, whether the ARN or the id itself is given.

    Raises:
        InvalidInputError: It is neither. An alias is refused: it can be pointed at another key while tokens
            signed by the first one are alive.
    """
    match = re.fullmatch(f"{_KEY_ARN}|({_KEY_ID})", key) if isinstance(key, str) else None
    if match is None:
        raise InvalidInputError(
            "the signing key is not named by its id",
            got=f"{len(key)} characters" if isinstance(key, str) else f"a {type(key).__name__}",
            expected="the ARN or the id of a KMS key",
            why="an alias can be pointed at another key, and the tokens of the first one would be refused",
            fix="pass the key's ARN",
        )
    return str(match[1] or match[2])


def signing_input(token: TaskToken, *, key_id: str) -> str:
    """Return the part of the compact form that is signed: header and claims."""
    header = {"alg": ALGORITHM, "typ": "JWT", "kid": key_id}
    return f"{_encoded(_json(header))}.{_encoded(_json(token.claims()))}"


def compact(signed_part: str, signature: bytes) -> str:
    """
    Return the whole token.

    Raises:
        InvalidInputError: It is longer than STS takes.
    """
    text = f"{signed_part}.{_encoded(signature)}"
    if len(text) > LONGEST_TOKEN:
        raise _malformed(f"{len(text)} characters", f"at most {LONGEST_TOKEN}")
    return text


def digest_of(signed_part: str) -> bytes:
    """Return the SHA-256 that KMS signs and verifies: the text itself may exceed KMS's 4,096 bytes."""
    return hashlib.sha256(signed_part.encode("ascii")).digest()


@dataclass(frozen=True, repr=False)
class UnverifiedToken:
    """
    A token in the right form, whose signature nobody has checked yet. The repr hides it.

    Attributes:
        claims: What it says.
        key_id: `kid`: the key it says it was signed with.
        digest: What a verifier compares the signature with.
        signature: The signature.
    """

    claims: TaskToken
    key_id: str
    digest: bytes
    signature: bytes

    def __repr__(self) -> str:
        return "UnverifiedToken(…)"

    @classmethod
    def parse(cls, text: str) -> "UnverifiedToken":
        """
        Read a compact token strictly: one text, one reading.

        Three parts of canonical base64url; a header of exactly `alg` RS256, `typ` JWT and `kid`, so that no
        parameter can steer a verifier; JSON in which no key appears twice.

        Raises:
            InvalidInputError: The text is no such token. The message holds nothing of it.
        """
        if not isinstance(text, str) or len(text) > LONGEST_TOKEN:
            raise _malformed(_size(text), f"at most {LONGEST_TOKEN} characters")
        parts = text.split(".")
        if len(parts) != 3:
            raise _malformed(f"{len(parts)} parts", "three")
        header, claims, signature = (_decoded(part) for part in parts)
        key_id = _key_id(_object(header))
        token = TaskToken.from_claims(_object(claims))
        return cls(token, key_id, digest_of(f"{parts[0]}.{parts[1]}"), signature)


def _key_id(header: dict[str, Any]) -> str:
    if set(header) != {"alg", "typ", "kid"} or header["alg"] != ALGORITHM or header["typ"] != "JWT":
        raise _malformed("another header", f"alg {ALGORITHM}, typ JWT and kid, and nothing else")
    if not isinstance(header["kid"], str) or not re.fullmatch(r"[!-~]{1,128}", header["kid"]):
        raise _malformed("a kid of another form", "1 to 128 printable characters")
    return str(header["kid"])


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")


def _decoded(part: str) -> bytes:
    content: bytes | None = None
    if re.fullmatch(_PART, part):
        try:
            content = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except (binascii.Error, ValueError):
            content = None
    # Left-over bits that are not zero would give one content many texts.
    if content is None or _encoded(content) != part:
        raise _malformed("a part that is no canonical base64url", "base64url without padding")
    return content


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = strict_json.parse(content.decode("utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _malformed("a part that is no JSON object, or names a key twice", "a JSON object in UTF-8")
    return value


def _size(text: object) -> str:
    return f"{len(text)} characters" if isinstance(text, str) else f"a {type(text).__name__}"


def _malformed(got: str, expected: str) -> InvalidInputError:
    return InvalidInputError(
        "the task token is malformed",
        got=got,
        expected=expected,
        why="a token that two readers understand differently could reach another tenant",
        fix="pass the token as the orchestrator issued it",
    )
