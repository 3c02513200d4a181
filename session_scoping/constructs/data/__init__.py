"""Tenant data: tables, objects and models, the access words, and the statements about them."""
