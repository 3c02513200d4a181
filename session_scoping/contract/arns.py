"""ARNs as text, split in one place. Any field but the first may be a deploy-time token or a wildcard."""

from typing import NamedTuple


class Arn(NamedTuple):
    """The fields of an ARN. Source: IAM guide, reference-arns."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    @classmethod
    def parse(cls, text: str) -> "Arn | None":
        """Return the fields, or nothing when the text is no ARN or is a token as a whole."""
        head, *fields = text.split(":", 5)
        return cls(*fields) if head == "arn" and len(fields) == 5 else None

    def __str__(self) -> str:
        return ":".join(("arn", *self))


def field_of(text: str, name: str) -> str:
    """
    Return one field of an ARN.

    Raises:
        ValueError: The text is no ARN.
    """
    arn = Arn.parse(text)
    if arn is None:
        raise ValueError("not an ARN")
    return str(getattr(arn, name))
