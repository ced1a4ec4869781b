"""Verbs: what is done to trials, participants and people. One transaction each, permission first, audit last."""
