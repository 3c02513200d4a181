"""Statements, what AWS's actions do, and `decide`: one concrete request against concrete policies."""
