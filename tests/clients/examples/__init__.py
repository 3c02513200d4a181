"""The examples whose packages are in an environment of their own."""
