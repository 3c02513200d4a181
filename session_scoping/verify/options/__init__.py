"""What the user states: words on the command line and in a committed file, checked against the templates."""
