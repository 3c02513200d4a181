"""The properties, one module each: what must never be possible, and what must be."""
