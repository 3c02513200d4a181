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
        "name-isolation",
        "No session reaches a secret or parameter of another session",
        "For all names and all pairs of different sessions, no secret or parameter of the one is allowed to the other;"
        " a path that may be listed counts as all that lies below it.",
    ),
    Rule(
        "memory-isolation",
        "No session reaches what another session keeps in AgentCore Memory",
        "Every grant compares a request's actor and session, or its namespace up to a slash, with the session's tags.",
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
        "no-masked-grants",
        "What keeps data apart is what is allowed, not a Deny alone",
        "Without any Deny on the role or on tenant data the same holds: no grant reaches further and is only stopped by"
        " a Deny, which is gone as soon as somebody detaches it.",
    ),
    Rule(
        "derivation",
        "A tool's role is reached by its own sessions, each under its own tags",
        "Only sessions of the session role a tool names can assume it, and only with the tags they carry; where the"
        " tool says so, under a name that is their tag.",
    ),
    Rule(
        "session-policy",
        "A session policy only takes away, and leaves something",
        "Asked for with --session-policy: no request is allowed under the policy and not without it, and some request"
        " of a session is left.",
    ),
    Rule(
        "revocation",
        "A revoked session can do nothing",
        "A Deny of every action on every resource fires for each session the role's Metadata calls revoked.",
    ),
    Rule(
        "attribution",
        "Every session acts under a source identity of its tenant",
        "The trust policy admits no session without a source identity of the promised form, and no request of a"
        " session with another one, or with none, is allowed.",
    ),
    Rule(
        "workload-binding",
        "No session is made or used outside its VPC",
        "The trust policy admits no session from outside the promised VPC and Region, and no request from outside is"
        " allowed, but for the calls AWS itself makes for the session.",
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
    Rule(
        "no-external-access",
        "Nobody from outside reaches tenant data by a policy on it",
        "No policy of a tenant table, bucket or key lets in anybody, any account, a service that works for any account,"
        " or a principal of which these templates say nothing.",
    ),
    Rule(
        "token-vault",
        "A role takes tokens of its own identity, providers and user only",
        "No request for a workload access token, an OAuth2 token or an API key reaches a workload identity or provider"
        " that the role does not declare, or asserts another user than the session's own.",
    ),
)
