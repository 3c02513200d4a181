"""
Keys of a role's Metadata that say what its sessions are held to: written by the constructs, proved by the verifier.

Standard library only.
"""

ATTRIBUTED_TO = "session-scoping:attributed-to"
"""The pattern of every source identity its sessions may carry."""

BOUND_TO = "session-scoping:bound-to"
"""The VPC its sessions are made and used in."""

BOUND_REGION = "session-scoping:bound-region"
"""The Region of that VPC."""

PINNED_BY = "session-scoping:pinned-by"
"""The session tag that holds the IP address its session is used from."""

MINTING = "session-scoping:minting"
"""`credential-broker` or `web-identity`: a session's tags come from a signed token alone."""

COMPUTE_ROLES = "session-scoping:compute-roles"
"""ARNs of the roles agent code runs under; none of them may make a session."""

SIGNING_KEYS = "session-scoping:signing-keys"
"""ARNs of the KMS keys that sign tokens."""

MINTING_FUNCTIONS = "session-scoping:minting-functions"
"""
The Lambda functions whose code decides what a token is worth: ARNs, or logical ids of the role's own stack.

CloudFormation counts a reference in the Metadata as a dependency, and the function refers to the role.
"""

MINTING_ROLES = "session-scoping:minting-roles"
"""ARNs of those functions' roles."""

MINTING_TABLES = "session-scoping:minting-tables"
"""ARNs of the tables of revoked tokens."""

MINTING_BUCKETS = "session-scoping:minting-buckets"
"""ARNs of the buckets that hold the issuer's key set."""
