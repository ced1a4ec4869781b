"""What the log does not hold: keys that let their reader in, as they stand in the addresses of links."""

import logging
import re

KEYS = re.compile(r"\binv_[\w-]+|(?<=/password/reset/key/)[\w-]+")


class WithoutKeys(logging.Formatter):
    """Leaves the keys of invitations and recoveries out of every line, tracebacks too."""

    def format(self, record: logging.LogRecord) -> str:
        """Format as ever, then replace each key."""
        return KEYS.sub("…", super().format(record))
