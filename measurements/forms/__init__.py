"""Shapes of what is typed into pages."""
