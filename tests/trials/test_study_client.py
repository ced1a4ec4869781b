"""The client of the laboratories: it retries what helps under the same key, and gives its token to nobody else."""

import ast
import hashlib
import json
import os
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from trials.api.client import study_client
from trials.api.client.study_client import Client, RefusedError, UnreachableError, row_report

FILE = Path(study_client.__file__)
REPORT = {
    "submission": "s-1", "received": 1, "created": 1, "unchanged": 0, "corrected": 0, "held": 0, "rejected": 0,
    "dry_run": False, "errors": [], "warnings": [],
}  # fmt: skip
FINDING = {
    "row": 17, "field": "unit", "code": "unit_not_convertible", "message": "“pg” cannot be converted.",
    "fix": "Send pg/mL.", "did_you_mean": "pg/mL",
}  # fmt: skip


@dataclass
class Platform:
    """Answers in order, the last for ever: (status, headers, JSON), or None to drop the connection."""

    url: str = ""
    answers: list[tuple[int, dict[str, str], Any] | None] = field(default_factory=lambda: [(200, {}, REPORT)])
    got: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def platform() -> Iterator[Platform]:
    made = Platform()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            made.got.append((self.command, self.path, headers, body))
            now = made.answers.pop(0) if len(made.answers) > 1 else made.answers[0]
            if now is None:
                self.connection.close()
                return
            status, more, content = now
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content if isinstance(content, bytes) else json.dumps(content).encode())

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def slept(monkeypatch) -> list[float]:
    """How long the client would have waited."""
    pauses: list[float] = []
    monkeypatch.setattr(study_client.time, "sleep", pauses.append)
    return pauses


ROW = {"specimen": "S-1", "biomarker": "IL6", "value": "1.80", "unit": "pg/mL"}


def test_it_is_one_short_file_of_the_standard_library_for_python_3_9() -> None:
    source = FILE.read_text()
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert imported <= sys.stdlib_module_names
    assert len(source.splitlines()) < 310


def test_what_is_posted(platform: Platform) -> None:
    client = Client(f"{platform.url}/", " lab_test_secret ")
    assert client.post_results("calm sleep", [ROW], run={"id": "p"}, dry_run=True) == REPORT
    ((method, path, headers, body),) = platform.got
    assert (method, path) == (
        "POST", "/api/v1/trials/calm%20sleep/results/?dry_run=true&on_error=reject_all&unknown_specimen=reject",
    )  # fmt: skip
    assert headers["authorization"] == "Bearer lab_test_secret"
    assert json.loads(body) == {"results": [ROW], "run": {"id": "p"}}
    assert len(headers["idempotency-key"]) == 36


@pytest.mark.parametrize(
    "failure",
    [
        (429, {"Retry-After": "7"}, {}),
        (503, {"Retry-After": "7"}, b"<html>"),
        (409, {"Retry-After": "7"}, {"code": "idempotency_key_in_use"}),
        None,
    ],
)
def test_what_helps_is_tried_again_under_the_same_key(platform: Platform, slept, failure) -> None:
    platform.answers = [failure, failure, (201, {}, REPORT)]
    assert Client(platform.url, "t").post_results("t", [ROW]) == REPORT
    keys = {headers["idempotency-key"] for _, _, headers, _ in platform.got}
    assert (len(platform.got), len(keys), len({body for *_, body in platform.got})) == (3, 1, 1)
    assert slept == ([1.0, 2.0] if failure is None else [7.0, 7.0])


def test_two_deliveries_have_two_keys_and_a_key_of_ones_own_is_sent(platform: Platform) -> None:
    client = Client(platform.url, "t")
    for key in (None, None, "plate-7"):
        client.post_results("t", [ROW], key=key)
    keys = [headers["idempotency-key"] for _, _, headers, _ in platform.got]
    assert len(set(keys)) == 3
    assert keys[2] == "plate-7"


def test_what_does_not_help_is_not_tried_again(platform: Platform, slept) -> None:
    problem = {"code": "rows_wrong", "detail": "Rows are wrong.", "errors": [FINDING], "warnings": []}
    platform.answers = [(422, {}, problem)]
    with pytest.raises(RefusedError) as refused:
        Client(platform.url, "t").post_results("t", [ROW])
    error = refused.value
    assert (error.status, error.code, error.errors, len(platform.got), slept) == (422, "rows_wrong", [FINDING], 1, [])
    assert str(error).splitlines() == [
        "422 rows_wrong: Rows are wrong.",
        "row 17, unit: “pg” cannot be converted. Send pg/mL.",
    ]


@pytest.mark.parametrize("content", [b"<html>", b"[]", b"", b"\xff"])
def test_an_answer_that_is_no_problem_document_is_still_an_answer(platform: Platform, content: bytes) -> None:
    platform.answers = [(404, {}, content)]
    with pytest.raises(RefusedError) as refused:
        Client(platform.url, "t").submission("t", "../x")
    assert refused.value.code == "no_json"
    assert platform.got[0][1] == "/api/v1/trials/t/submissions/..%2Fx/"


def test_in_the_end_it_gives_up(platform: Platform, slept) -> None:
    platform.answers = [(503, {"Retry-After": "100000"}, {"code": "database_away", "detail": "Later."})]
    with pytest.raises(RefusedError):
        Client(platform.url, "t", retries=2).submission("t", "x")
    assert (len(platform.got), slept) == (3, [120.0, 120.0])
    with pytest.raises(UnreachableError):
        Client("http://127.0.0.1:1", "t", retries=1).submission("t", "x")


def test_the_token_goes_nowhere_else(platform: Platform) -> None:
    for base in ("http://example.org", "ftp://example.org", "example.org", "http://127.0.0.1.example.org"):
        with pytest.raises(ValueError, match="https"):
            Client(base, "t")
    for token in ("", "  ", "a\nb", "é"):
        with pytest.raises(ValueError, match="token"):
            Client("https://example.org", token)
    platform.answers = [(302, {"Location": f"{platform.url}/elsewhere"}, {})]
    with pytest.raises(RefusedError):
        Client(platform.url, "t").submission("t", "x")
    assert len(platform.got) == 1
    pages = [
        {"next": "https://elsewhere.example.org/api/v1/trials/?cursor=2", "results": [{"slug": "a"}]},
        {"next": None, "results": [{"slug": "b"}]},
    ]
    platform.answers = [(200, {}, page) for page in pages]
    assert [each["slug"] for each in Client(platform.url, "t").trials()] == ["a", "b"]
    assert platform.got[-1][1] == "/api/v1/trials/?cursor=2"


def test_a_report_without_a_row_or_a_fix_is_readable() -> None:
    assert row_report([{"message": "No header."}]) == ["delivery: No header."]
    assert row_report([{"row": 1, "message": "A.", "did_you_mean": "B"}]) == ["row 1: A. Did you mean B?"]


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(platform: Platform, tmp_path: Path) -> Run:
    """Run the file as a command."""

    def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": os.environ["PATH"], "STUDY_TOKEN": "t", "STUDY_BASE": platform.url} | environment
        return subprocess.run(
            [sys.executable, str(FILE), *arguments],
            env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return command


def test_the_command_delivers_a_file_and_prints_the_report(run: Run, platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"specimen,biomarker\n")
    platform.answers = [(201, {}, REPORT | {"warnings": [FINDING]})]
    done = run("post", "t", "a.csv")
    assert (done.returncode, done.stdout) == (
        0, "submission s-1: 1 received, 1 created, 0 unchanged, 0 corrected, 0 held, 0 rejected\n",
    )  # fmt: skip
    assert done.stderr.startswith("row 17, unit: ")
    assert (platform.got[0][2]["content-type"], platform.got[0][3]) == ("text/csv", b"specimen,biomarker\n")


def test_the_command_fails_where_something_was_refused(run: Run, platform: Platform, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"x")
    platform.answers = [(201, {}, REPORT | {"rejected": 1})]
    assert run("post", "t", "a.csv", "--on-error", "reject_rows").returncode == 1
    platform.answers = [(422, {}, {"code": "rows_wrong", "detail": "Rows are wrong.", "errors": [FINDING]})]
    refused = run("post", "t", "a.csv")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "row 17, unit" in refused.stderr
    assert "Traceback" not in refused.stderr
    for wrong in (["post", "t", "missing.csv"], ["post"], ["nonsense"]):
        failed = run(*wrong)
        assert failed.returncode in {1, 2}
        assert "Traceback" not in failed.stderr
    assert "STUDY_TOKEN" in run("trials", STUDY_TOKEN="").stderr
    assert "begins with https" in run("trials", STUDY_BASE="http://example.org").stderr


def test_the_command_reads(run: Run, platform: Platform) -> None:
    platform.answers = [(200, {}, {"next": None, "results": [{"name": "é"}, {"name": "b"}]})]
    for command in (
        ["trials"],
        ["biomarkers", "t"],
        ["visits", "t"],
        ["specimens", "t", "--awaiting"],
        ["results", "t"],
    ):
        done = run(*command, PYTHONIOENCODING="utf-8")
        assert (done.returncode, done.stdout) == (0, '{"name": "é"}\n{"name": "b"}\n'), command
    assert [path for _, path, _, _ in platform.got][3] == "/api/v1/trials/t/specimens/?awaiting=results"


def test_the_file_is_served_to_everybody_with_version_and_hash(client) -> None:
    answer = client.get("/api/v1/client.py")
    assert answer.status_code == 200
    content = FILE.read_bytes()
    sha256 = hashlib.sha256(content)
    assert answer.content == content
    assert answer["Content-Type"].startswith("text/x-python")
    assert answer["X-Client-Version"] == study_client.__version__
    assert answer["X-Client-SHA256"] == sha256.hexdigest()
    assert answer["Repr-Digest"] == f"sha-256=:{b64encode(sha256.digest()).decode()}:"
    assert client.post("/api/v1/client.py").status_code == 405


@pytest.mark.parametrize("name", ["lab-quick-start", "row-codes", "webhooks"])
def test_the_documents_are_served_with_the_platforms_own_address(client, name: str) -> None:
    answer = client.get(f"/api/v1/docs/{name}.md")
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/plain; charset=utf-8")
    written = (Path("docs") / f"{name}.md").read_text()
    assert answer.text == written.replace("https://trials.example.org", "http://testserver")
    assert f"/api/v1/docs/{name}.md" in settings.SPECTACULAR_SETTINGS["DESCRIPTION"]
