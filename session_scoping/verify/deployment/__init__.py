"""What the templates deploy: principals, stores, workloads, and what is not read."""
