"""The agent half (extra `[agent]`): boto3 only, never the CDK."""
