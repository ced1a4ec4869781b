"""Files for laboratories, for everybody: the client to download, and the pages of documentation that lead to it."""

import hashlib
from base64 import b64encode
from pathlib import Path

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.utils.http import http_date
from django.views.decorators.http import require_safe

from trials.api.client import study_client

CLIENT = Path(study_client.__file__)
CONTENT = CLIENT.read_bytes()
SHA256 = hashlib.sha256(CONTENT)
DOCUMENTS = ("lab-quick-start", "laboratories", "row-codes", "webhooks")
DOCS = CLIENT.parents[3] / "docs"
EXAMPLE_ADDRESS = "https://trials.example.org"


@login_not_required
@require_safe
def client_file(request: HttpRequest) -> HttpResponse:
    """The single-file client: it holds no secret. Version and SHA-256 stand in the headers."""
    return HttpResponse(
        CONTENT,
        content_type="text/x-python; charset=utf-8",
        headers={
            "Content-Disposition": 'attachment; filename="study_client.py"',
            "Last-Modified": http_date(CLIENT.stat().st_mtime),
            "ETag": f'"{SHA256.hexdigest()}"',
            "Repr-Digest": f"sha-256=:{b64encode(SHA256.digest()).decode()}:",  # RFC 9530
            "X-Client-Version": study_client.__version__,
            "X-Client-SHA256": SHA256.hexdigest(),
        },
    )


@login_not_required
@require_safe
def document(request: HttpRequest, name: str) -> HttpResponse:
    """A page of documentation as text, with this platform's own address in its examples. `name` is of DOCUMENTS."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    here = request.build_absolute_uri("/").rstrip("/")
    return HttpResponse(text.replace(EXAMPLE_ADDRESS, here), content_type="text/plain; charset=utf-8")
