"""A state machine whose function signs task tokens, and a worker that reaches the task of its token only."""
