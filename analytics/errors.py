"""Faults of the database: which of them are the database's, and which those of a single computation."""

from django.db import InterfaceError, OperationalError

OF_ONE_STATEMENT = {
    "40001",  # not serializable
    "40P01",  # deadlock
    "55P03",  # a lock was not to be had in time
    "57014",  # the statement took too long
}
"""States that PostgreSQL counts as operational although the connection is sound."""


def is_database_away(error: Exception) -> bool:
    """Return whether the connection is lost, so that nothing else would succeed either."""
    if not isinstance(error, OperationalError | InterfaceError):
        return False
    return getattr(error.__cause__, "sqlstate", None) not in OF_ONE_STATEMENT
