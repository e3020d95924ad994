"""The HTTP API: projects, sessions and replay. The only room with FastAPI."""
