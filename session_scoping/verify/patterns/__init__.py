"""Text with deploy-time parts, patterns over it, and when two names may be the same."""
