"""AcceptedTokens: which tokens a session role or a credential broker takes; in one app no two take the same ones."""

from dataclasses import dataclass

from constructs import Construct

from session_scoping.contract.errors import InvalidInputError

_KEPT_AS = "_session_scoping_accepted_tokens"


@dataclass(frozen=True)
class AcceptedTokens:
    """
    What a token must carry to open one role.

    NOT PROTECTED: only roles of one app are compared.

    Attributes:
        issuer: `iss`, with or without `https://`.
        audience: `aud`.
        subject: `sub`.
        key: ARN of the one key that signs them, for a credential broker, the same for all replicas of a multi-Region
            key. None: whatever the issuer's key set holds.
    """

    issuer: str
    audience: str
    subject: str
    key: str | None = None

    def claim(self, owner: Construct) -> None:
        """
        Take these tokens for one role, or refuse where another role of the app takes them too.

        Raises:
            InvalidInputError: One token would open both roles.
        """
        taken: dict[Construct, AcceptedTokens] = vars(owner.node.root).setdefault(_KEPT_AS, {})
        for other, tokens in taken.items():
            if self._meets(tokens):
                raise InvalidInputError(
                    f"`{owner.node.path}` would take the task tokens of `{other.node.path}`",
                    got="the same signing key and audience"
                    if self.key and tokens.key
                    else "the same issuer, audience and subject",
                    expected="an audience of its own for each session role",
                    why="a token that was signed for a task of one role would open the other role as well",
                    fix="give each its own `audience`, and sign each task's token for the one it is meant for",
                )
        taken[owner] = self

    def _meets(self, other: "AcceptedTokens") -> bool:
        if self.audience != other.audience:
            return False
        if self.key and other.key:
            return self.key == other.key
        return (self._host, self.subject) == (other._host, other.subject)

    @property
    def _host(self) -> str:
        # A host's name has no case, and whether IAM takes a URL with `/` at its end for another one is not documented.
        host, slash, path = self.issuer.removeprefix("https://").rstrip("/").partition("/")
        return f"{host.casefold()}{slash}{path}"
