"""Verbs: what is done to trials, participants and people. Keyword-only, one transaction, permission first, audit last."""
