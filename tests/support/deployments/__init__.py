"""Random deployments, attacked by the independent simulator alone: what the verifier calls PROVED must hold."""
