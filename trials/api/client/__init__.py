"""The client that laboratories download: one file that needs nothing but Python."""
