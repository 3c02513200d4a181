"""The rules of the prover: stable ids, what each says, and where it is explained."""

from dataclasses import dataclass

DOCUMENTATION = "docs/verify.md"
"""Where every rule has a heading of its id."""


@dataclass(frozen=True)
class Rule:
    """One property."""

    id: str
    title: str
    description: str


RULES = (
    Rule(
        "session-roles",
        "There is a session role to prove something about",
        "Without a role that is assumed with session tags there is nothing to prove, which is not a pass.",
    ),
    Rule(
        "session-tags",
        "Every session carries exactly the declared tags",
        "The trust policy admits no session without a declared tag, with an empty one, with another one, or with one"
        " that is passed on; and only roles it names may make sessions.",
    ),
    Rule(
        "partition-isolation",
        "No session reaches a DynamoDB item of another session",
        "For all requests and all pairs of different sessions, no leading key of the one is allowed to the other.",
    ),
    Rule(
        "object-isolation",
        "No session reaches an S3 object of another session",
        "For all keys and all pairs of different sessions, no object of the one is allowed to the other.",
    ),
    Rule(
        "allowed-actions",
        "A session role holds nothing beyond its data",
        "No Scan, PartiQL, index or stream access, no bucket-wide action, no model or key that no grant names, nothing"
        " of other services.",
    ),
    Rule(
        "no-chaining",
        "No session becomes another session",
        "No session can assume a role of the templates, by its own policies or by a trust policy alone.",
    ),
    Rule(
        "work-possible",
        "What the role grants can be used",
        "Some request of an admitted session succeeds on each table and bucket; denying everything is no proof.",
    ),
    Rule(
        "token-minting",
        "Where tokens decide, nothing else makes a session",
        "A session role minted by signed tokens is entered by the token's own way alone; no compute role and no session"
        " may sign, change the function or the key set that judges a token, or take a revocation back.",
    ),
    Rule(
        "compute-isolation",
        "Agent code's own role reaches no tenant data",
        "A role that mints sessions or runs agent code reaches no tenant table or bucket and changes no role.",
    ),
)
