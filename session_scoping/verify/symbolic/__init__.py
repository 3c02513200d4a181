"""The z3 side: sessions, keys, conditions and policies as formulas over all requests."""
