"""From a path, a text or a dictionary to templates."""
