"""Roles and tokens for tools that act for a session."""
