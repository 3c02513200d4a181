"""What the reference stack (`app.py`) adds when a context switch asks for it; one part, one module."""
