"""The settings of the site: ``sphinx-build -W -n docs DIRECTORY`` builds it, without a network."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from runner import __version__

project = "runner"
author = "the runner authors"
copyright = author  # noqa: A001 - Sphinx's name
release = version = __version__
html_theme = "furo"
html_title = f"runner {release}"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "index"
exclude_patterns = ["_build", "**/*.py"]

# GitHub's markdown, so that a page reads the same there.
myst_heading_anchors = 3
myst_url_schemes = ["https", "mailto"]
suppress_warnings = ["myst.xref_missing"]  # files of the tree: tests/test_docs.py follows the links

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # in the signature of the source; here the text says them
napoleon_use_ivar = True
napoleon_use_rtype = False
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|collections)\..*"),  # no network, so no index of other libraries' names
    ("py:.*", r"runner\.(analysis|store)\..*|STATISTICS|Prediction"),  # named, and not shown
    ("py:class", r"[a-z_]+"),  # several attributes in one line of a docstring
]
