"""What the browser is given: vendored files as published, nothing that the content security policy forbids."""

import hashlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "studyplatform" / "static"
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
VERSIONS = [
    line.split()
    for line in (STATIC / "vendor" / "VERSIONS").read_text().splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize(("name", "digest"), [(entry[0], entry[-1]) for entry in VERSIONS])
def test_a_vendored_file_is_the_published_one(name, digest):
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == digest


def test_every_vendored_file_is_listed():
    present = {
        str(path.relative_to(STATIC)) for pattern in ("vendor/*.js", "fonts/*.woff2") for path in STATIC.glob(pattern)
    }
    assert present == {entry[0] for entry in VERSIONS}


def test_the_page_carries_the_settings_that_htmx_knows():
    document = (ROOT / "templates" / "_document.html").read_text()
    settings = re.search(r"name=\"htmx-config\" content='({.*?})'", document)
    assert settings
    source = (STATIC / "vendor" / "htmx.min.js").read_text()
    for name in re.findall(r'"(\w+)":', settings[1]):
        assert f"{name}:" in source


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_template_has_inline_style_or_script(path):
    text = path.read_text()
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|hx-on", text)
    for attributes, content in re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL):
        assert "src=" in attributes or 'type="application/json"' in attributes
        assert not content.strip() or 'type="application/json"' in attributes


def test_the_style_sheet_stays_small():
    assert len((STATIC / "css" / "platform.css").read_bytes()) < 28_000
