"""
Keys of a role's Metadata that say what its sessions are held to: written by the constructs, proved by the verifier.

Standard library only.
"""

PREFIX = "session-scoping:"
"""Begins every key."""

SHARED_BY = "session-scoping:shared-by"
"""The tags by which its sessions share data, such as `user_id` or `repo,user_id`."""

SHARED_DATA = "session-scoping:shared-data"
"""Of a table or bucket: `true`, or the keys in it, such as `config#*`, that every session may read."""

REVOKED = "session-scoping:revoked"
"""Its revocations, each as `RevokedSessions.as_text` writes it."""

TOOL_OF = "session-scoping:tool-of"
"""Of a tool role: ARN of the session role whose sessions may become it."""

TOOL_NAME_TAG = "session-scoping:tool-name-tag"
"""Of a tool role: the tag whose value is the role session name."""

TOKEN_VAULT = "session-scoping:token-vault"  # noqa: S105 - a key of Metadata
"""ARNs of the identity, vault and providers its token vault grant names."""

TOKEN_VAULT_USER = "session-scoping:token-vault-user"  # noqa: S105
"""The session tag that an asserted user id must equal."""

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

MINTING_DISTRIBUTIONS = "session-scoping:minting-distributions"
"""ARNs of the CloudFront distributions that serve it."""

MINTING_ZONES = "session-scoping:minting-zones"
"""ARNs of the hosted zones that say where the issuer's name leads."""

NARROWING = "session-scoping:narrowing"
"""
Not of the Metadata, but a tag of the role itself, `on` where its sessions may call STS GetScopedCredentials.

`session-scoping revoke` reads it from IAM: it is not documented which issue time narrowed credentials carry.
"""
