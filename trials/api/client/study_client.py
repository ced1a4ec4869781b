"""Send results to the study platform and read from it. One file, nothing to install, Python 3.9 or newer.

In a program:

    from study_client import Client, RefusedError

    client = Client("https://trials.example.org", token)
    for specimen in client.specimens("calm-sleep", awaiting_results=True):
        print(specimen["specimen"], specimen["awaiting"])
    try:
        report = client.post_results("calm-sleep", rows, run={"id": "plate-7", "performed_on": "2026-11-22"})
    except RefusedError as refused:
        print(refused)  # every row that is wrong, with what to do about it

On the command line (the token stays out of the list of processes, in the environment):

    export STUDY_BASE=https://trials.example.org STUDY_TOKEN=lab_live_...
    python study_client.py trials
    python study_client.py post calm-sleep plate-7.csv --dry-run
    python study_client.py post calm-sleep plate-7.csv

Values are best sent as text: "1.80" keeps its digits. Every delivery carries a key, so that a retry after a lost
connection records nothing twice.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

__version__ = "1.0.0"

RETRIES = 5
LONGEST_WAIT = 120.0
TIMEOUT = 60.0
ON_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


class StudyError(Exception):
    """Something went wrong; the text says what."""


class UnreachableError(StudyError):
    """The platform did not answer, in spite of all retries. A delivery may have been recorded: send it again."""


class RefusedError(StudyError):
    """The platform answered no. `status`, `code` and `detail` say why, `errors` and `warnings` are about rows."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail", ""))
        self.errors: list[dict[str, Any]] = list(problem.get("errors") or [])
        self.warnings: list[dict[str, Any]] = list(problem.get("warnings") or [])
        super().__init__("\n".join([f"{status} {self.code}: {self.detail}", *row_report(self.errors)]))


def row_report(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return one readable line for each finding: where, what, and what to do."""
    lines = []
    for each in findings:
        where = f"row {each['row']}" if each.get("row") else "delivery"
        field = f", {each['field']}" if each.get("field") else ""
        line = f"{where}{field}: {each.get('message', '')}"
        if each.get("fix") and each["fix"] not in line:
            line += f" {each['fix']}"
        if each.get("did_you_mean") and str(each["did_you_mean"]) not in line:
            line += f" Did you mean {each['did_you_mean']}?"
        lines.append(line)
    return lines


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect could carry the token to somebody else; it is an error."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class Client:
    """The platform at an address, as the holder of a token.

    Too many requests (429), a pause (503, 409 with Retry-After) and lost connections are tried again, deliveries
    under the same key.
    """

    def __init__(self, base_url: str, token: str, *, timeout: float = TIMEOUT, retries: int = RETRIES) -> None:
        parts = urllib.parse.urlsplit(base_url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in ON_THIS_MACHINE):
            raise ValueError("The address begins with https://; http would show the token to everybody on the way.")
        if not token.strip().isascii() or not token.strip().isprintable() or not token.strip():
            raise ValueError("This is no token: it begins with lab_live_, lab_test_ or pat_.")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._token = token.strip()
        self._timeout = timeout
        self._retries = retries
        self._opener = urllib.request.build_opener(_NoRedirects)

    def trials(self) -> Iterator[dict[str, Any]]:
        """Yield the trials that the token reaches."""
        return self._pages("/api/v1/trials/")

    def biomarkers(self, trial: str) -> Iterator[dict[str, Any]]:
        """Yield what the trial measures, with units and the limits of assays."""
        return self._pages(self._path(trial, "biomarkers"))

    def visits(self, trial: str) -> Iterator[dict[str, Any]]:
        """Yield the planned visits."""
        return self._pages(self._path(trial, "visits"))

    def specimens(self, trial: str, *, awaiting_results: bool = False) -> Iterator[dict[str, Any]]:
        """Yield specimens, or only those that wait for results, with the biomarkers that they await."""
        return self._pages(self._path(trial, "specimens", awaiting="results" if awaiting_results else None))

    def results(self, trial: str, **filters: str) -> Iterator[dict[str, Any]]:
        """Yield results as sent and as used; filters: biomarker, visit, updated_since."""
        return self._pages(self._path(trial, "results", **filters))

    def submission(self, trial: str, reference: str) -> dict[str, Any]:
        """Return a delivery with its counts and its row report."""
        return self._ask("GET", self._path(trial, f"submissions/{urllib.parse.quote(reference, safe='')}"))

    def estimates(self, trial: str, **filters: str) -> dict[str, Any]:
        """Return the estimates, for those who may see them; `RefusedError` with the code `blinded` for all others."""
        return self._ask("GET", self._path(trial, "estimates", **filters))

    def post_results(
        self,
        trial: str,
        rows: Iterable[Mapping[str, Any]],
        *,
        run: Mapping[str, Any] | None = None,
        dry_run: bool = False,
        on_error: str = "reject_all",
        unknown_specimen: str = "reject",
        key: str | None = None,
    ) -> dict[str, Any]:
        """Deliver rows and return the report; `RefusedError` where nothing was saved because rows are wrong.

        A row names `specimen`, or `participant` and `visit`; then `biomarker`, `value`, `unit`. `dry_run` checks
        everything and saves nothing. `on_error="reject_rows"` saves the rows that are right.
        """
        body: dict[str, Any] = {"results": [dict(row) for row in rows]}
        if run is not None:
            body["run"] = dict(run)
        options = {"dry_run": dry_run, "on_error": on_error, "unknown_specimen": unknown_specimen}
        return self._deliver(trial, json.dumps(body).encode(), "application/json", options, key)

    def post_csv(
        self,
        trial: str,
        path: str | os.PathLike[str],
        *,
        dry_run: bool = False,
        on_error: str = "reject_all",
        unknown_specimen: str = "reject",
        key: str | None = None,
    ) -> dict[str, Any]:
        """Deliver a CSV file (UTF-8; comma, semicolon or tab) as it is, and return the report like `post_results`."""
        options = {"dry_run": dry_run, "on_error": on_error, "unknown_specimen": unknown_specimen}
        return self._deliver(trial, Path(path).read_bytes(), "text/csv", options, key)

    def _deliver(
        self, trial: str, body: bytes, content_type: str, options: Mapping[str, Any], key: str | None
    ) -> dict[str, Any]:
        chosen = {**options, "dry_run": "true" if options["dry_run"] else None}
        headers = {"Content-Type": content_type, "Idempotency-Key": key or str(uuid.uuid4())}
        return self._ask("POST", self._path(trial, "results", **chosen), body, headers)

    def _path(self, trial: str, what: str, **parameters: str | None) -> str:
        query = urllib.parse.urlencode({name: value for name, value in parameters.items() if value is not None})
        return f"/api/v1/trials/{urllib.parse.quote(trial, safe='')}/{what}/" + (f"?{query}" if query else "")

    def _pages(self, path: str) -> Iterator[dict[str, Any]]:
        while path:
            page = self._ask("GET", path)
            yield from page["results"]
            parts = urllib.parse.urlsplit(page["next"] or "")
            path = f"{parts.path}?{parts.query}" if parts.path else ""  # never to another host, whatever it says

    def _ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Send a request, again where that helps, and return the JSON of the answer."""
        sent = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "User-Agent": f"study-client/{__version__}",
            **(headers or {}),
        }
        for attempt in range(self._retries + 1):
            request = urllib.request.Request(self._origin + path, data=body, headers=sent, method=method)
            try:
                with self._opener.open(request, timeout=self._timeout) as answer:
                    content: dict[str, Any] = json.load(answer)
                    return content
            except urllib.error.HTTPError as error:
                wait = _wait_of(error, attempt)
                if wait is None or attempt == self._retries:
                    raise RefusedError(error.code, _problem(error)) from None
            except (OSError, http.client.HTTPException) as error:
                reason = getattr(error, "reason", error)
                if attempt == self._retries or isinstance(reason, ssl.SSLCertVerificationError):
                    raise UnreachableError(f"{self._origin} did not answer: {reason}") from error
                wait = min(2.0**attempt, LONGEST_WAIT)
            time.sleep(wait)
        raise AssertionError("the last attempt returns or raises")


def _wait_of(error: urllib.error.HTTPError, attempt: int) -> float | None:
    """Return for how many seconds to wait before another attempt; None where that would not help."""
    told = error.headers.get("Retry-After", "")
    if error.code in {429, 503} or (error.code == 409 and told):
        return min(float(told) if told.isdigit() else 2.0**attempt, LONGEST_WAIT)
    return 2.0**attempt if error.code in {502, 504} else None


def _problem(error: urllib.error.HTTPError) -> dict[str, Any]:
    try:
        problem = json.loads(error.read())
    except (ValueError, OSError, http.client.HTTPException):
        problem = None
    return problem if isinstance(problem, dict) else {"code": "no_json", "detail": str(error.reason)}


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Send results to the study platform and read from it.")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--base", default=os.environ.get("STUDY_BASE"), help="its address; else STUDY_BASE")
    parser.add_argument("--token-env", default="STUDY_TOKEN", metavar="NAME", help="the variable that holds the token")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("trials", help="the trials that the token reaches")
    for name in ("biomarkers", "visits", "specimens", "results", "estimates"):
        command = commands.add_parser(name, help=f"the {name} of a trial, a line of JSON each")
        command.add_argument("trial")
        if name == "specimens":
            command.add_argument("--awaiting", action="store_true", help="only those that wait for results")
    command = commands.add_parser("submission", help="a delivery with its row report")
    command.add_argument("trial")
    command.add_argument("reference")
    command = commands.add_parser("post", help="deliver a CSV file")
    command.add_argument("trial")
    command.add_argument("file", type=Path)
    command.add_argument("--dry-run", action="store_true", help="check everything, save nothing")
    command.add_argument("--on-error", choices=["reject_all", "reject_rows"], default="reject_all")
    command.add_argument("--unknown-specimen", choices=["reject", "hold"], default="reject")
    chosen = parser.parse_args(given)
    if not chosen.base or not os.environ.get(chosen.token_env):
        parser.error(f"give --base (or STUDY_BASE) and the token in the variable {chosen.token_env}")
    return chosen


def _post(client: Client, chosen: argparse.Namespace) -> int:
    options = {name: getattr(chosen, name) for name in ("dry_run", "on_error", "unknown_specimen")}
    report = client.post_csv(chosen.trial, chosen.file, **options)
    for line in row_report([*report["errors"], *report["warnings"]]):
        print(line, file=sys.stderr)
    counts = ("received", "created", "unchanged", "corrected", "held", "rejected")
    print("checked, nothing saved:" if report["dry_run"] else f"submission {report['submission']}:", end=" ")
    print(", ".join(f"{report[name]} {name}" for name in counts))
    return 1 if report["rejected"] else 0


def main(given: list[str] | None = None) -> int:
    """Run a command; return 0, or 1 where something was refused or the platform cannot be reached."""
    chosen = _arguments(given)
    try:
        client = Client(chosen.base, os.environ[chosen.token_env])
        if chosen.command == "post":
            return _post(client, chosen)
        if chosen.command == "submission":
            found: Any = [client.submission(chosen.trial, chosen.reference)]
        elif chosen.command == "specimens":
            found = client.specimens(chosen.trial, awaiting_results=chosen.awaiting)
        elif chosen.command == "estimates":
            found = client.estimates(chosen.trial)["estimates"]
        else:
            found = getattr(client, chosen.command)(*([chosen.trial] if "trial" in chosen else []))
        for each in found:
            print(json.dumps(each, ensure_ascii=False))
    except (StudyError, OSError, ValueError, KeyError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
