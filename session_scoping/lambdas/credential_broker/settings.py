"""What the function's environment says: which tokens are accepted, and which role they open."""

from collections.abc import Mapping
from dataclasses import dataclass

from session_scoping.contract import environment
from session_scoping.contract.errors import InvalidInputError
from session_scoping.contract.jws import key_id_of
from session_scoping.contract.names import RoleArn
from session_scoping.contract.tags import parse_tag_keys
from session_scoping.contract.task_token import check_issuer, check_plain
from session_scoping.lambdas.credential_broker.refusal import RefusedError


@dataclass(frozen=True)
class Settings:
    """The environment, checked once per cold start."""

    key_arn: str
    key_id: str
    issuer: str
    audience: str
    subject: str
    role: RoleArn
    tag_keys: frozenset[str]
    transitive_tag_keys: frozenset[str]
    table: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> "Settings":
        """
        Return the settings.

        Raises:
            RefusedError: `Misconfigured`: a variable is missing or wrong. There is no default for any check.
        """
        try:
            return cls._read(variables)
        except (InvalidInputError, KeyError) as error:
            kind = type(error).__name__
        raise RefusedError("Misconfigured", "environment", kind)

    @classmethod
    def _read(cls, variables: Mapping[str, str]) -> "Settings":
        key = variables[environment.BROKER_SIGNING_KEY_ARN]
        keys = frozenset(parse_tag_keys(_listed(variables[environment.BROKER_TAG_KEYS])))
        transitive = frozenset(_listed(variables.get(environment.BROKER_TRANSITIVE_TAG_KEYS, "")))
        table = variables[environment.BROKER_REVOCATION_TABLE]
        if not transitive <= keys or not table or not key.startswith("arn:"):
            raise KeyError
        return cls(
            key_arn=key,
            key_id=key_id_of(key),
            issuer=check_issuer(variables[environment.BROKER_ISSUER]),
            audience=check_plain("audience", variables[environment.BROKER_AUDIENCE]),
            subject=check_plain("subject", variables[environment.BROKER_SUBJECT]),
            role=RoleArn.parse(variables[environment.BROKER_SESSION_ROLE_ARN], where="the session role"),
            tag_keys=keys,
            transitive_tag_keys=transitive,
            table=table,
        )


def _listed(text: str) -> list[str]:
    return [key.strip() for key in text.split(",")] if text.strip() else []
