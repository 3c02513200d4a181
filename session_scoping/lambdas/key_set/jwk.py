"""
A public RSA key as KMS gives it (DER SubjectPublicKeyInfo), and as a key set names it (JWK). Standard library only.

Source: RFC 5280 section 4.1 (SubjectPublicKeyInfo), RFC 8017 A.1.1 (RSAPublicKey), RFC 7518 section 6.3.1 (JWK).
"""

from base64 import urlsafe_b64encode

_SEQUENCE, _INTEGER, _BIT_STRING = 0x30, 0x02, 0x03
# AlgorithmIdentifier of rsaEncryption, 1.2.840.113549.1.1.1, with NULL parameters.
_RSA = bytes.fromhex("06092a864886f70d0101010500")


def jwk_of(der: bytes, *, key_id: str) -> dict[str, str]:
    """
    Return the JWK of a signing key.

    Args:
        der: DER of its SubjectPublicKeyInfo.
        key_id: `kid`.

    Raises:
        ValueError: It is no RSA public key, or DER says more than that.
    """
    outer, rest = _read(der, _SEQUENCE)
    algorithm, outer = _read(outer, _SEQUENCE)
    bits, after = _read(outer, _BIT_STRING)
    if rest or after or algorithm != _RSA or bits[:1] != b"\x00":
        raise ValueError("no RSA public key")
    numbers, rest = _read(bits[1:], _SEQUENCE)
    modulus, numbers = _read(numbers, _INTEGER)
    exponent, numbers = _read(numbers, _INTEGER)
    if rest or numbers:
        raise ValueError("more than a modulus and an exponent")
    return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": key_id, "n": _number(modulus), "e": _number(exponent)}


def _read(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return the content of the first element, which must have this tag, and what follows it."""
    if len(data) < 2 or data[0] != tag:
        raise ValueError("another element than expected")
    length, start = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        start += count
        length = int.from_bytes(data[2:start], "big")
        if not 1 <= count <= 4 or len(data) < start:
            raise ValueError("a length that cannot be read")
    if len(data) < start + length:
        raise ValueError("cut short")
    return data[start : start + length], data[start + length :]


def _number(content: bytes) -> str:
    """Write a positive integer as base64url without padding and without leading zeros."""
    if not content or content[0] & 0x80:
        raise ValueError("no positive number")
    return urlsafe_b64encode(content.lstrip(b"\x00")).rstrip(b"=").decode()
