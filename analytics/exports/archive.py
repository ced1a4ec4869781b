"""The zip of an export: CSV files, what they mean, and a manifest with their hashes.

Every entry has the same fixed time, and the data hash covers the CSV files alone: same data and rights, same hash.
"""

import hashlib
import json
import zipfile
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from analytics.exports.copying import csv_lines
from analytics.exports.rights import Rights, Scope

FIXED_TIME = (1980, 1, 1, 0, 0, 0)
FOLDERS = {"participants": "data", "results": "data", "analysis": "data", "estimates": "analysis"}
MANIFEST = "MANIFEST.json"


@dataclass(frozen=True)
class TableFile:
    """One CSV file of the zip."""

    name: str
    sha256: str
    rows: int


@dataclass(frozen=True)
class Archive:
    """A finished zip: its own hash, the hash over its data, and its size in bytes."""

    sha256: str
    data_sha256: str
    size: int


def write_archive(path: Path, scope: Scope, *, data_version: int, on: date) -> Archive:
    """Write the zip to `path`. The caller holds one view of the database, so that the files belong together."""
    tables = [table for table in FOLDERS if table != "estimates" or scope.run is not None]
    partial = path.with_suffix(".new")
    partial.unlink(missing_ok=True)
    partial.touch(0o600)
    with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        folder = f"{scope.trial.slug}_{on:%Y-%m-%d}_v{data_version}"
        files = [_write_table(archive, folder, table, scope) for table in tables]
        data_sha256 = hash_of(files)
        manifest = _manifest(scope, files, data_version=data_version, on=on, data_sha256=data_sha256)
        _write_text(archive, f"{folder}/README.md", render_to_string("analytics/export_readme.md", manifest))
        _write_text(archive, f"{folder}/{MANIFEST}", json.dumps(manifest, indent=1, sort_keys=True) + "\n")
    with partial.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    partial.replace(path)
    return Archive(sha256, data_sha256, path.stat().st_size)


def hash_of(files: list[TableFile]) -> str:
    """Return the one hash over all CSV files: SHA-256 of their `sha256  name` lines, sorted by name."""
    lines = sorted(f"{file.sha256}  {file.name}\n" for file in files)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def rights_in(path: Path) -> Rights:
    """Return what was put into a finished zip, from its manifest."""
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith(f"/{MANIFEST}"))
        return Rights.from_json(json.loads(archive.read(name))["rights"])


def _write_table(archive: zipfile.ZipFile, folder: str, table: str, scope: Scope) -> TableFile:
    name, digest, rows = f"{FOLDERS[table]}/{table}.csv", hashlib.sha256(), -1
    with archive.open(_entry(f"{folder}/{name}"), "w", force_zip64=True) as file:
        for line in csv_lines(table, scope):
            digest.update(line)
            file.write(line)
            rows += 1
    return TableFile(name, digest.hexdigest(), rows)


def _write_text(archive: zipfile.ZipFile, name: str, content: str) -> None:
    archive.writestr(_entry(name), content.encode())


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, FIXED_TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _manifest(scope: Scope, files: list[TableFile], *, data_version: int, on: date, data_sha256: str) -> dict[str, Any]:
    arms = bool(scope.rights.arm_sites)
    return {
        "trial": scope.trial.slug,
        "title": scope.trial.title,
        "is_rehearsal": scope.trial.is_rehearsal,
        "cut_off": on.isoformat(),
        "data_version": data_version,
        "estimates_data_version": scope.run.data_version if scope.run else None,
        "data_sha256": data_sha256,
        "files": [asdict(file) for file in files],
        "software": f"studyplatform {settings.VERSION}",
        "blinding": {"arms": "in it" if arms else "left out", "effects": "in it" if scope.run else "left out"},
        "rights": scope.rights.as_json(),
    }
