"""Parts of the reference stack (`app.py`): its data, and what it adds when a context switch asks for it."""
