"""Who may mint sessions: compute roles, an orchestrator, the credential broker, a web identity."""
