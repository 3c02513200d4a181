"""The key a request chooses, an object's or a partition's, cut into pieces where patterns compare it piece by piece."""

from collections.abc import Callable, Iterable

import z3

from session_scoping.verify.patterns.text import Part, Pattern, Token, Variable, Wildcard
from session_scoping.verify.symbolic.strings import (
    FALSE,
    TRUE,
    Bool,
    Lookup,
    Match,
    concat,
    conjunction,
    constant,
    disjunction,
    head_of,
    string_value,
    token_may_hold,
)


class Key:
    """
    The part of a resource or partition key that requests choose, cut where policies' patterns can be told apart.

    Args:
        name: Name of the z3 constants.
        separators: Characters to cut at. No variable before the deepest cut of a pattern may hold one.
        pieces: How many cuts there are at most; what follows the last is one piece, whatever it holds.
        holds: Whether a variable's value may hold a character. Default: none that is looked at may hold a separator.
        width: How many characters the first piece has, where it is cut by its length. Default: it is not.

    Attributes:
        random_end: How many characters at its end are AWS's own letters and digits, so that none is a separator.
    """

    def __init__(
        self,
        name: str,
        separators: frozenset[str],
        pieces: int,
        holds: "Holds" = lambda _variable, _character: False,
        width: int = 0,
    ) -> None:
        self.separators = separators
        self.pieces = [z3.String(f"{name}.{index}") for index in range(pieces + 1)]
        self.cuts = [z3.Int(f"{name}.cut{index}") for index in range(pieces)]
        self.count = z3.Int(f"{name}.count")
        self._holds, self._width = holds, width
        self.random_end = 0

    def domain(self) -> Bool:
        """Return the constraint that the pieces are cut at every separator, or behind the first characters."""
        if self._width:
            return conjunction([self.count == 0, z3.Length(self.pieces[0]) == self._width])
        rules: list[Bool] = [self.count >= 0, self.count <= len(self.cuts)]
        codes = sorted(ord(character) for character in self.separators)
        for cut in self.cuts:
            rules.append(disjunction([cut == code for code in codes]) if codes else TRUE)
        # The last piece holds whatever follows the deepest cut any pattern looks at, separators included.
        for piece in self.pieces[:-1]:
            rules += [z3.Not(z3.Contains(piece, constant(character))) for character in sorted(self.separators)]
        return conjunction(rules if self.separators else [self.count == 0])

    def match(self, parts: Pattern, lookup: Lookup) -> Match:
        """Match a pattern against the key."""
        head = head_of(parts)
        tail = parts[len(head) :]
        if self._width:
            return self._match_by_width(head, tail, lookup)
        if any(isinstance(p, Token) and any(token_may_hold(p, c) for c in self.separators) for p in head):
            return Match(TRUE, FALSE)
        pieces, cuts = self._cut(head)
        # Behind the last cut a piece may hold anything; a separator before it would have been cut at.
        bounded = pieces[:-1] if len(cuts) == len(self.cuts) else pieces
        if any(isinstance(p, Variable) and self._may_be_cut(p) for piece in bounded for p in piece):
            return Match(TRUE, FALSE)
        joined = [concat(piece, lookup) for piece in pieces]
        present = conjunction([has for _, has in joined])
        rules = [present, *(self.cuts[i] == ord(cut) for i, cut in enumerate(cuts))]
        rules += [self.pieces[i] == term for i, (term, _) in enumerate(joined[:-1])]
        last, at = joined[-1][0], len(cuts)
        if not tail:
            return Match.exact(conjunction([*rules, self.count == at, self.pieces[at] == last]), present)
        if len(tail) <= self.random_end and all(part == Wildcard("?") for part in tail):
            # One term for all patterns, so that two of them are compared letter by letter.
            length = z3.Length(self.pieces[at]) - len(tail)
            stem = z3.SubString(self.pieces[at], 0, length)
            return Match.exact(conjunction([*rules, self.count == at, length >= 0, stem == last]), present)
        begins = TRUE if not pieces[-1] else z3.PrefixOf(last, self.pieces[at])
        over = conjunction([*rules, self.count >= at, begins])
        open_end = all(part == Wildcard("*") for part in tail)
        return Match(over, over if open_end else FALSE, present)

    def _may_be_cut(self, variable: Variable) -> bool:
        return any(self._holds(variable, character) for character in self.separators)

    def _match_by_width(self, head: Pattern, tail: Pattern, lookup: Lookup) -> Match:
        """Match a pattern that begins with the variable of this width; of others nothing is said."""
        if tail or not head or not isinstance(head[0], Variable):
            return Match(TRUE, FALSE)
        (first, there), (rest, also) = concat(head[:1], lookup), concat(head[1:], lookup)
        present = conjunction([there, also])
        return Match.exact(conjunction([present, self.pieces[0] == first, self.pieces[1] == rest]), present)

    def _cut(self, parts: Pattern) -> tuple[list[Pattern], list[str]]:
        pieces: list[list[Part]] = [[]]
        cuts: list[str] = []
        for part in parts:
            if not isinstance(part, str):
                pieces[-1].append(part)
                continue
            start = 0
            for index, character in enumerate(part):
                if character in self.separators and len(cuts) < len(self.cuts):
                    pieces[-1].append(part[start:index])
                    cuts.append(character)
                    pieces.append([])
                    start = index + 1
            pieces[-1].append(part[start:])
        return [tuple(part for part in piece if part != "") for piece in pieces], cuts

    def read(self, model: z3.ModelRef) -> str:
        """Return the key of a counterexample."""
        if self._width:
            return "".join(string_value(model, piece) for piece in self.pieces)
        count = model.eval(self.count, model_completion=True).as_long()
        text = ""
        for index in range(count + 1):
            text += string_value(model, self.pieces[index])
            if index < count:
                text += chr(model.eval(self.cuts[index], model_completion=True).as_long())
        return text


class PathAbove:
    """A path of the caller's choice that a key lies below, as the value of a condition key."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def match(self, parts: Pattern, lookup: Lookup) -> Match:
        """Match a pattern against some such path; a Deny is never sure to, because the caller chooses another."""
        found = self._key.match(parts if parts[-1:] == (Wildcard("*"),) else (*parts, Wildcard("*")), lookup)
        return Match(found.over, FALSE, found.present)

    def read(self, model: z3.ModelRef) -> str:
        """Return the longest such path of a counterexample."""
        return self._key.read(model)


Holds = Callable[[Variable, str], bool]
"""Whether a policy variable's value may hold a character."""


def key_for(
    name: str, patterns: Iterable[Pattern], holds: Holds, width: Callable[[Variable], int] = lambda _: 0
) -> Key:
    """
    Return a key fine enough for every pattern it will be matched against.

    `width` says how many characters a variable's value always has; 0 where that varies.
    """
    patterns = list(patterns)
    literal = {c for pattern in patterns for part in pattern if isinstance(part, str) for c in part}
    variables = {part for pattern in patterns for part in pattern if isinstance(part, Variable)}
    tokens = {part for pattern in patterns for part in pattern if isinstance(part, Token)}
    signs = [c for c in sorted(literal) if not c.isalnum() and not any(token_may_hold(token, c) for token in tokens)]
    separators = frozenset(c for c in signs if not any(holds(variable, c) for variable in variables))
    unclear = [pattern for pattern in patterns if _runs_together(pattern, separators)]
    if unclear:
        first = next((c for c in signs if all(_ends_first(p, c, holds) for p in unclear)), None)
        if first is not None:
            return Key(name, frozenset({first}), 1, holds)
        widths = {width(part) if isinstance(part, Variable) else 0 for part in (p[0] for p in unclear)}
        if len(widths) == 1 and 0 not in widths:
            return Key(name, frozenset(), 1, holds, widths.pop())
    deepest = max(
        (sum(part.count(c) for c in separators for part in head_of(p) if isinstance(part, str)) for p in patterns),
        default=0,
    )
    return Key(name, separators, deepest, holds)


def _runs_together(pattern: Pattern, separators: frozenset[str]) -> bool:
    """Whether a pattern has two variables without a separator between them, so that one may end anywhere."""
    is_open = False
    for part in pattern:
        if isinstance(part, Variable) and is_open:
            return True
        is_open = isinstance(part, Variable) or (is_open and not (isinstance(part, str) and set(part) & separators))
    return False


def _ends_first(pattern: Pattern, character: str, holds: Holds) -> bool:
    """Whether the first variable of a pattern ends at the first such character, which is the only open end it has."""
    first = next((i for i, part in enumerate(pattern) if isinstance(part, Variable)), len(pattern))
    before, after = pattern[: first + 1], pattern[first + 1 :]
    if not after or not isinstance(after[0], str) or character not in after[0] or holds(pattern[first], character):  # type: ignore[arg-type]
        return False
    return not any(isinstance(part, str) and character in part for part in before)
