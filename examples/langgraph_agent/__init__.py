"""A LangGraph agent whose tools use the session of its task."""
