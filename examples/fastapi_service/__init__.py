"""A FastAPI service that serves each request with the credentials of the user who sent it."""
