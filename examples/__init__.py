"""Examples: each folder is an app of its own, and the tests build it in-process."""
