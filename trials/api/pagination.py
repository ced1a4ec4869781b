"""Lists page by cursor: {"next", "previous", "results"}."""

from rest_framework.pagination import CursorPagination


class ByCursor(CursorPagination):
    """Pages in order of id, which stay right while rows are added."""

    ordering = "id"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000
