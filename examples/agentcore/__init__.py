"""An AgentCore runtime whose agents may run any code: they reach the task whose token they hold, and no other."""
