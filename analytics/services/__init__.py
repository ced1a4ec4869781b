"""Verbs: one transaction each, permission first, audit last."""
