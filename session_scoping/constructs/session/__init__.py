"""SessionRole: its trust policy, its permissions and its guards."""
