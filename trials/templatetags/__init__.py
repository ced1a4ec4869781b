"""Template tags of the trials app."""
