"""Task tokens: signed, exchanged by the broker's function, spent by a session."""
