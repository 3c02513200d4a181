"""TokenVaultGrant: tokens from AgentCore's vault for one workload identity and its users."""
