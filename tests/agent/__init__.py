"""The agent half against real parts: botocore over HTTP, a moto server, and an STS that misbehaves."""
