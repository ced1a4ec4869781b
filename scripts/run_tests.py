"""Run all tests: `scripts/run_tests.py [pytest arguments]`, with a browser for those that need one.

CHROMIUM names the browser; otherwise it is looked for, and on Debian root installs it. Without one everything else
runs, the browser tests are named, and the exit code is 1 unless ALLOW_NO_BROWSER=1.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "microsoft-edge")
MACOS = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)
PYTEST = [sys.executable, "-m", "pytest"]


def main(arguments: list[str]) -> int:
    """Return pytest's exit code, or 1 for browser tests that could not run."""
    browser = os.environ.get("CHROMIUM") or find_browser() or install_browser()
    if browser:
        return subprocess.run([*PYTEST, *arguments], env=os.environ | {"CHROMIUM": browser}, check=False).returncode
    code = subprocess.run([*PYTEST, "-m", "not browser", *arguments], check=False).returncode
    say("No Chromium was found (CHROMIUM names one), so these tests did not run:")
    subprocess.run([*PYTEST, "-m", "browser", "--collect-only", "-q", "-p", "no:xdist"], check=False)
    if os.environ.get("ALLOW_NO_BROWSER") == "1":
        return code
    say("Install Chromium, or accept the gap with ALLOW_NO_BROWSER=1.")
    return code or 1


def find_browser() -> str | None:
    """The first Chromium or relative on the path, or where macOS keeps them."""
    on_path = (shutil.which(name) for name in NAMES)
    return next((path for path in on_path if path), None) or next((str(path) for path in MACOS if path.exists()), None)


def install_browser() -> str | None:
    """Install Debian's Chromium when root runs on Debian; None elsewhere or when that fails."""
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        return None
    say("Installing Chromium for the browser tests ...")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        if subprocess.run(["apt-get", *command], env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            return None
    return find_browser()


def say(sentence: str) -> None:
    """Print at once, between the lines of pytest."""
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
