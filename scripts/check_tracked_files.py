"""Fail when a tracked file names a package registry's host or a path of somebody's machine.

Both bind the repository to one place: pins are checked by hash and come from whatever index is configured.
"""

import re
import subprocess
import sys
from pathlib import Path

FORBIDDEN = {
    "a package registry's host": re.compile(
        rb"pyp[i][.]org|pythonhos[t]ed[.]org|registry[.]npm[j]s|npm[j]s[.](?:com|org)|unpkg[.]com|jsdelivr[.]net|crates[.]io"
    ),
    "a path of one machine": re.compile(rb"(?<![\w.:/<{}\]-])/(?:root|work|Users/\w+|home/\w+|opt/\w+|tmp/dev)/[\w.]"),
}


def main() -> int:
    """Print file, line and finding of each; 1 when there is any."""
    tracked = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, check=True).stdout.split("\0")
    findings = [finding for name in tracked if Path(name).is_file() for finding in findings_in(Path(name))]
    sys.stdout.writelines(f"{finding}\n" for finding in findings)
    return 1 if findings else 0


def findings_in(path: Path) -> list[str]:
    """The forbidden things that a file names, as `file:line: what it names`; none for binary files."""
    content = path.read_bytes()
    if b"\0" in content:
        return []
    numbered = list(enumerate(content.splitlines(), start=1))
    return [
        f"{path}:{number}: names {what}: {found[0].decode(errors='replace')}"
        for what, pattern in FORBIDDEN.items()
        for number, line in numbered
        if (found := pattern.search(line))
    ]


if __name__ == "__main__":
    sys.exit(main())
