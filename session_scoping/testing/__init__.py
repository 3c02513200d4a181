"""For an adopter's own tests: assertions on templates, enforced policies for boto3 calls, a rule pack for synth."""

from session_scoping.testing.assertions import assert_sessions_isolated

__all__ = ["assert_sessions_isolated"]
