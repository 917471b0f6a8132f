"""Every link of the pages to a file of the project leads somewhere, to its heading too."""

from __future__ import annotations

import re

import pytest

from doc_blocks import FENCE, ROOT, pages

PAGES = [*pages(), "ARCHITECTURE.md", "CONTRIBUTING.md", "BENCHMARKS.md"]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def headings(text: str) -> set[str]:
    """Return what links to a page's headings end in, as GitHub and MyST make it."""
    found = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in found}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, heading = link.partition("#")
        target = ((ROOT / page).parent / name).resolve() if name else ROOT / page
        if "reference/generated/" in link:
            assert page == "docs/index.md", f"{page}: {link} is made with the site and is nowhere else"
            continue
        assert target.exists(), f"{page}: {link}"
        assert not heading or heading in headings(target.read_text(encoding="utf-8")), f"{page}: {link}"
