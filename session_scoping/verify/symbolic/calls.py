"""One symbolic session and one symbolic call: what their condition keys can be."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import z3

from session_scoping.aws.keys import Presence, carried, is_defined
from session_scoping.verify.patterns.text import Text, Token, Variable
from session_scoping.verify.policies.statement_queries import PRINCIPAL_TAG, REQUEST_TAG
from session_scoping.verify.symbolic.request_keys import Key, PathAbove
from session_scoping.verify.symbolic.strings import (
    FALSE,
    TRUE,
    Bool,
    concat,
    conjunction,
    constant,
    disjunction,
    string_value,
    token_constant,
    token_domain,
)


@dataclass
class Session:
    """
    A session of one role: which tags it carries and their values, all free.

    Attributes:
        label: Prefix of its z3 constants.
        keys: Lower-case tag key -> the spelling policies use. The key that stands for all others is added.
        role_tags: Tags on the role itself; a session tag of the same key replaces them.
    """

    label: str
    keys: dict[str, str]
    role_tags: dict[str, Text] = field(default_factory=dict)

    def carried(self, key: str) -> Bool:
        """Whether the tag was passed when the session was made."""
        return z3.Bool(f"{self.label} has {key}")

    def transitive(self, key: str) -> Bool:
        """Whether the tag was passed as transitive."""
        return z3.Bool(f"{self.label} passes on {key}")

    def value(self, key: str) -> z3.SeqRef:
        """Return the value passed for a tag."""
        return z3.String(f"{self.label} {key}")

    def principal_tag(self, key: str) -> tuple[Bool, z3.SeqRef]:
        """
        Return whether `aws:PrincipalTag/key` is in a request of the session, and its value.

        Source: IAM guide, id_session-tags: the role's own tags are principal tags of its sessions, and a session tag
        of the same key takes their place.
        """
        fallback = self.role_tags.get(key)
        if fallback is None:
            return (self.carried(key), self.value(key)) if key in self.keys else (FALSE, z3.StringVal(""))
        terms = [token_constant(p) if isinstance(p, Token) else constant(p) for p in fallback]
        text = terms[0] if len(terms) == 1 else z3.Concat(*terms) if terms else z3.StringVal("")
        return TRUE, z3.If(self.carried(key), self.value(key), text) if key in self.keys else text

    def domain(self) -> Bool:
        """Return what STS guarantees: a transitive tag is one of the tags passed."""
        return conjunction([z3.Implies(self.transitive(key), self.carried(key)) for key in self.keys])

    def any_tag(self) -> Bool:
        """Whether the session was made with at least one tag."""
        return disjunction([self.carried(key) for key in self.keys])

    def differs(self, other: "Session", keys: Iterable[str]) -> Bool:
        """Whether two sessions have different values for at least one of the keys."""
        return disjunction([self.principal_tag(key)[1] != other.principal_tag(key)[1] for key in keys])

    def read(self, model: z3.ModelRef) -> dict[str, str]:
        """Return the tags of a counterexample, under the spelling policies use."""
        return {
            spelling: string_value(model, self.value(key))
            for key, spelling in self.keys.items()
            if z3.is_true(model.eval(self.carried(key), model_completion=True))
        }


@dataclass
class Call:
    """
    One request of a session: which condition keys it carries is AWS's data on its action, and their values are free.

    What the caller, the network or a resource says is free; what AWS says of the caller is fixed.

    Attributes:
        label: Prefix of its z3 constants.
        session: Who calls. Tags become `aws:PrincipalTag`. Default: a caller about whom nothing is known.
        leading_keys: The elements `dynamodb:LeadingKeys` may have, each with whether it is there.
        fixed: Condition key in lower case -> the text it must have.
        keyed: Condition key in lower case -> whether the request carries it, and the key of an item that it is.
        minted: The session an AssumeRole call makes, whose tags are `aws:RequestTag`. Default: it makes none.
        same_resource: Whether it acts on the one resource that all such calls act on, so that they see the same tags.
    """

    label: str
    session: Session | None = None
    leading_keys: list[tuple[Bool, Key]] = field(default_factory=list)
    fixed: dict[str, Text] = field(default_factory=dict)
    keyed: dict[str, tuple[Bool, Key | PathAbove]] = field(default_factory=dict)
    minted: Session | None = None
    same_resource: bool = False
    used: set[str] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    dated: set[str] = field(default_factory=set)
    atoms: dict[str, tuple[object, bool]] = field(default_factory=dict)

    def single(self, key: str, action: str = "") -> tuple[Bool, z3.SeqRef]:
        """
        Return whether a single-valued condition key, in lower case, is in a request of an action, and its value.

        Without an action it may carry every key or none.
        """
        if key.startswith(PRINCIPAL_TAG):
            if self.session is None:
                return self._free(key)
            return self.session.principal_tag(key.removeprefix(PRINCIPAL_TAG))
        if key.startswith(REQUEST_TAG) and self.minted:
            name = key.removeprefix(REQUEST_TAG)
            if name in self.minted.keys:
                return self.minted.carried(name), self.minted.value(name)
            return FALSE, z3.StringVal("")
        if key in self.fixed:
            self.asked.add(key)
            return TRUE, concat(self.fixed[key], self.lookup)[0]
        return self._free(key) if self.may_carry(key, action) else (FALSE, z3.StringVal(""))

    def may_carry(self, key: str, action: str) -> bool:
        """Whether a request of an action may carry a key; whatever makes a session may carry all of STS's."""
        if not action or self.minted is not None or not is_defined(key):
            return True
        return carried(action, key).presence is not Presence.NEVER

    def moment(self, key: str) -> tuple[Bool, z3.ArithRef]:
        """
        Return whether a condition key that is a date is in the request, and its seconds since 1970.

        A real number, because IAM compares fractions of a second. Where a policy reads the same key as text too, the
        two values are free of each other: a formula may hold for more requests than there are, never for fewer.
        """
        self.dated.add(key)
        return z3.Bool(f"{self.label} {key} present"), z3.Real(f"{self.label} {key} moment")

    def _free(self, key: str) -> tuple[Bool, z3.SeqRef]:
        self.used.add(key)
        label = "resource" if self.same_resource and is_resource_tag(key) else self.label
        return z3.Bool(f"{label} {key} present"), z3.String(f"{label} {key}")

    def lookup(self, variable: Variable) -> tuple[Bool, z3.SeqRef]:
        """Return the value of a policy variable."""
        return self.single(variable.key)

    def domain(self) -> Bool:
        """Return the constraints on the elements of `dynamodb:LeadingKeys`, and on fixed keys that were asked for."""
        tokens = [part for key in sorted(self.asked) for part in self.fixed[key] if isinstance(part, Token)]
        domains = (key.domain() for _, key in self.leading_keys)
        return conjunction([*domains, *map(token_domain, tokens)])


def is_resource_tag(key: str) -> bool:
    """Whether a condition key is a tag of what a request acts on, which AWS reads from it."""
    return key.partition("/")[0].endswith((":resourcetag", ":existingobjecttag", ":buckettag", ":accesspointtag"))
