"""Nouns: what is read, already restricted to what the caller may see."""
