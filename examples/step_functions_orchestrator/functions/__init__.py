"""What runs in Lambda: the orchestrator's function, and the worker."""
