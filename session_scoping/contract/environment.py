"""Names of the environment variables the constructs set, on a container or on a function of this library."""

# --- read by the agent half ---

SESSION_ROLE_ARN = "AGENT_SESSION_ROLE_ARN"
"""
ARN of the SessionRole. The agent assumes it, itself or by web identity.

With a credential broker it is only what answers are compared with, and may be absent.
"""

SESSION_TAG_KEYS = "AGENT_SESSION_TAG_KEYS"
"""Comma-separated tag keys the SessionRole demands, for example `user_id,repo,task_id`."""

SESSION_TRANSITIVE_TAG_KEYS = "AGENT_SESSION_TRANSITIVE_TAG_KEYS"
"""Comma-separated tag keys that are sent as transitive, for tool roles. Absent where none may be."""

CREDENTIAL_BROKER = "AGENT_CREDENTIAL_BROKER"
"""Name or ARN of the Lambda function that exchanges a task token for credentials."""

TASK_TOKEN_FILE = "AGENT_TASK_TOKEN_FILE"  # noqa: S105 - the name of a variable
"""Path of the file that holds the task token. Read anew at every refresh."""

WORKLOAD_IDENTITY = "AGENT_WORKLOAD_IDENTITY"
"""Name of the AgentCore workload identity that asks for tokens. AgentCore Runtime needs none: it hands tokens over."""

SESSION_BROKER_ROLE_ARN = "AGENT_SESSION_BROKER_ROLE_ARN"
"""ARN of the tenant's SessionBrokerRole, which the dispatcher assumes with a source identity for each session."""

# --- read by the credential broker's function ---

BROKER_SIGNING_KEY_ARN = "BROKER_SIGNING_KEY_ARN"
"""ARN of the KMS key that signs task tokens."""

BROKER_ISSUER = "BROKER_ISSUER"
"""The one `iss` that is accepted."""

BROKER_AUDIENCE = "BROKER_AUDIENCE"
"""The one `aud` that is accepted."""

BROKER_SUBJECT = "BROKER_SUBJECT"
"""The one `sub` that is accepted."""

BROKER_SESSION_ROLE_ARN = "BROKER_SESSION_ROLE_ARN"
"""ARN of the SessionRole the broker assumes."""

BROKER_TAG_KEYS = "BROKER_TAG_KEYS"
"""Comma-separated tag keys a token must carry, all of them and no others."""

BROKER_TRANSITIVE_TAG_KEYS = "BROKER_TRANSITIVE_TAG_KEYS"
"""Comma-separated tag keys a token may make transitive. Absent or blank: none."""

BROKER_REVOCATION_TABLE = "BROKER_REVOCATION_TABLE"
"""Name or ARN of the DynamoDB table of revocations."""

# --- read by the key set's function ---

KEY_SET_ISSUER = "KEY_SET_ISSUER"
"""The issuer whose documents are written: `https://host`."""

KEY_SET_BUCKET = "KEY_SET_BUCKET"
"""The bucket they are written into."""

KEY_SET_KEYS = "KEY_SET_KEYS"
"""Comma-separated ARNs of the KMS keys whose public halves are published."""
