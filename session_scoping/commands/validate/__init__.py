"""`session-scoping validate`: what AWS itself says of the templates' policies, beside what the verifier says."""
