"""The dated results in docs/proof: one JSON file for each part that was run, one line each in the README."""

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.installation import CHECKOUT
from benchmarks.revision import Revision, changes_since

FOLDER = CHECKOUT / "docs" / "proof"
INTRODUCTION = """# Promises at full size

Written by `make prove`: what was tried, at which commit, and what was found. The JSON beside each line has the details.

| date | part | tried | problems | commit | file |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Proof:
    """What a part tried (`size` says how much of it), what it counted, and every problem in a sentence."""

    part: str
    size: str
    counts: dict[str, int]
    problems: Sequence[str]

    @property
    def holds(self) -> bool:
        """Whether there was no problem."""
        return not self.problems


def is_proven(part: str, folder: Path = FOLDER) -> bool:
    """Whether a part was run without a problem on the code as it is now."""
    known = [json.loads(file.read_text()) for file in sorted(folder.glob(f"*-{part}.json"))]
    return any(proof["is_clean"] and not proof["problems"] and not changes_since(proof["commit"]) for proof in known)


def keep(proof: Proof, at: Revision, seconds: float, folder: Path = FOLDER) -> Path:
    """Write the file of a proof and its line; return the file."""
    today = datetime.now(UTC).date().isoformat()
    file = folder / f"{today}-{proof.part}.json"
    about: dict[str, Any] = {"date": today, "seconds": round(seconds, 1), "python": platform.python_version()}
    text = json.dumps(asdict(proof) | asdict(at) | about, indent=1, ensure_ascii=False)
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text + "\n")
    _write_line(proof, at, today, file)
    return file


def _write_line(proof: Proof, at: Revision, today: str, file: Path) -> None:
    """The file of a day is replaced when a part is run again, and so is its line."""
    readme = file.parent / "README.md"
    lines = (readme.read_text() if readme.exists() else INTRODUCTION).splitlines()
    commit = at.commit[:12] + ("" if at.is_clean else " with changes")
    link = f"[{file.name}]({file.name})"
    line = f"| {today} | {proof.part} | {proof.size} | {len(proof.problems)} | {commit} | {link} |"
    readme.write_text("\n".join([*(kept for kept in lines if link not in kept), line]) + "\n")
