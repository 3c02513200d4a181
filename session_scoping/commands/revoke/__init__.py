"""`session-scoping revoke`: ends sessions of a deployed role; needs boto3 only. The runbook is docs/revocation.md."""
