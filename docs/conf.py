"""How the manual is built."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import unfade  # noqa: E402

project = "unfade"
author = copyright = "the unfade developers"
version = release = unfade.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": False, "navigation_with_keys": False, "footer_end": []}
html_title = f"unfade {release}"
html_copy_source = False

default_role = "code"  # docstrings write `(T, Y, X)` as Markdown does
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3


def setup(app: Any) -> None:
    """Write the pages that the program knows best before the others are read."""
    import draw_cases
    import generate
    import generate_metrics

    app.connect("builder-inited", lambda _: generate.write(HERE / "generated"))
    app.connect("builder-inited", lambda _: draw_cases.write(HERE / "generated"))
    app.connect("builder-inited", lambda _: generate_metrics.write(HERE / "generated"))
