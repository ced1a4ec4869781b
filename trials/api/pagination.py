"""Lists page by cursor: {"next", "previous", "results"}."""

import re
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.pagination import CursorPagination

POSITION = re.compile(r"[0-9]{1,18}", re.ASCII)  # fits into a bigint


class ByCursor(CursorPagination):
    """Pages in order of id, which stay right while rows are added."""

    ordering = "id"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000

    def decode_cursor(self, request: Any) -> Any:
        """Return the cursor of the address; NotFound for one that names no id, since the database would choke on it."""
        cursor = super().decode_cursor(request)
        if cursor is not None and cursor.position is not None and not POSITION.fullmatch(str(cursor.position)):
            raise NotFound(self.invalid_cursor_message)
        return cursor
