"""Which code was measured."""

import subprocess
from dataclasses import dataclass

from benchmarks.installation import CHECKOUT

NOT_CODE = (":!docs", ":!*.md")


@dataclass(frozen=True)
class Revision:
    """A commit, and whether the checkout had nothing beside it (documents apart)."""

    commit: str
    is_clean: bool


def revision() -> Revision:
    """Return the revision of this checkout; an empty commit outside of a repository."""
    commit = _git("rev-parse", "HEAD")
    return Revision(commit.stdout.strip(), commit.returncode == 0 and not changes_since("HEAD"))


def changes_since(commit: str) -> bool:
    """Whether the code in the checkout is another than at this commit; documents are no code."""
    untracked = _git("ls-files", "--others", "--exclude-standard", "--", ".", *NOT_CODE)
    return _git("diff", "--quiet", commit, "--", ".", *NOT_CODE).returncode != 0 or bool(untracked.stdout)


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *arguments], cwd=CHECKOUT, capture_output=True, text=True, check=False)
