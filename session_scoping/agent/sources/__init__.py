"""Where a task's credentials come from: AssumeRole, the credential broker, a web identity."""
