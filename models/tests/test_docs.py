"""The toolkit's pages: short lines, a README of one page, links that lead to a file."""

import re
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[1]
PAGES = [MODELS / "README.md", *sorted((MODELS / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(MODELS)))
def test_lines_are_short_and_links_lead_somewhere(page):
    text = page.read_text("utf-8")
    assert [line for line in text.splitlines() if len(line) > 120] == []
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if not link.startswith(("http", "#"))]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_readme_is_one_page():
    assert len(PAGES) > 10 and len((MODELS / "README.md").read_text("utf-8").splitlines()) <= 150
