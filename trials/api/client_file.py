"""The client for laboratories, as a file to download."""

import hashlib
from base64 import b64encode
from pathlib import Path

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from trials.api.client import study_client

FILE = Path(study_client.__file__)
CONTENT = FILE.read_bytes()
SHA256 = hashlib.sha256(CONTENT)


@login_not_required
@require_safe
def client_file(request: HttpRequest) -> HttpResponse:
    """The single-file client, for everybody: it holds no secret. Version and SHA-256 stand in the headers."""
    return HttpResponse(
        CONTENT,
        content_type="text/x-python; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="study_client.py"',
            "Last-Modified": http_date(FILE.stat().st_mtime),
            "ETag": f'"{SHA256.hexdigest()}"',
            "Repr-Digest": f"sha-256=:{b64encode(SHA256.digest()).decode()}:",  # RFC 9530
            "X-Client-Version": study_client.__version__,
            "X-Client-SHA256": SHA256.hexdigest(),
        },
    )
