"""
Keys of a session role's Metadata by which the constructs tell the verifier what a deployment is held to.

Standard library only. A promise widens nothing: it names what must be proved.
"""

MINTING = "session-scoping:minting"
"""`credential-broker` or `web-identity`: a session's tags come from a signed token alone."""

COMPUTE_ROLES = "session-scoping:compute-roles"
"""ARNs of the roles agent code runs under; none of them may make a session."""

SIGNING_KEYS = "session-scoping:signing-keys"
"""ARNs of the KMS keys that sign tokens."""

MINTING_FUNCTIONS = "session-scoping:minting-functions"
"""ARNs of the Lambda functions whose code decides what a token is worth."""

MINTING_ROLES = "session-scoping:minting-roles"
"""ARNs of those functions' roles."""

MINTING_TABLES = "session-scoping:minting-tables"
"""ARNs of the tables of revoked tokens."""

MINTING_BUCKETS = "session-scoping:minting-buckets"
"""ARNs of the buckets that hold the issuer's key set."""
