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
