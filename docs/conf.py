"""The documentation as a site: ``make docs`` builds it; reference pages come from the code itself."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402

import augtune  # noqa: E402

project = "augtune"
author = "the augtune developers"
version = release = augtune.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3
smartquotes = False  # -- and quotes are parts of commands, and stay as they are
# Links from a page to what is not part of the site (examples, licences, code) are left as they are.
suppress_warnings = ["myst.xref_missing"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "augtune"
html_show_sourcelink = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_use_rtype = False

generate.write(HERE / "reference" / "generated")
