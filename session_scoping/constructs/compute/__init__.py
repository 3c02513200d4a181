"""ScopedComputeRole: the baseline of each backend, and the Denies on tenant data."""
