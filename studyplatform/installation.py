"""The keys of one installation, made on its first start."""

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from studyplatform.embedded import EmbeddedError

# What the settings read from the environment, and how it is made where nobody gave it.
KEYS: Mapping[str, Callable[[], str]] = {
    "DJANGO_SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "STUDYPLATFORM_ALLOCATION_KEY": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
    "STUDYPLATFORM_IDENTIFIER_KEY": lambda: base64.b64encode(secrets.token_bytes(32)).decode(),
}


def installation_keys(data_dir: Path) -> dict[str, str]:
    """The keys kept in `secrets.json` (0600) of the data directory; absent ones are made and written first.

    They belong to the data beside them: concealed allocations cannot be read with another allocation key.
    EmbeddedError when the file is damaged.
    """
    path = data_dir / "secrets.json"
    kept = _read(path)
    missing = {name: make() for name, make in KEYS.items() if name not in kept}
    if missing:
        kept |= missing
        _write(path, kept)
    return kept


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        kept: dict[str, str] = json.loads(path.read_text())
    except ValueError as error:
        raise EmbeddedError(f"{path} is damaged. Restore it from a backup: it holds the allocation key.") from error
    return kept


def _write(path: Path, kept: Mapping[str, str]) -> None:
    """Write all or nothing: a half-written key would lock the allocations away."""
    partial = path.with_suffix(".new")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(kept, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
