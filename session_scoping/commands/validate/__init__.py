"""`session-scoping validate`: what AWS itself says of the templates' policies, compared with the verifier."""
