"""Names of the environment variables the constructs set on a container and the agent half reads."""

SESSION_ROLE_ARN = "AGENT_SESSION_ROLE_ARN"
"""ARN of the SessionRole the agent assumes. Absent where a broker mints: the agent then assumes nothing."""

SESSION_TAG_KEYS = "AGENT_SESSION_TAG_KEYS"
"""Comma-separated tag keys the SessionRole demands, for example `user_id,repo,task_id`."""

SESSION_TRANSITIVE_TAG_KEYS = "AGENT_SESSION_TRANSITIVE_TAG_KEYS"
"""Comma-separated tag keys that are sent as transitive, for tool roles. Absent where none may be."""
