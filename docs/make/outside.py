"""A hook of mkdocs: what pages link to outside of docs/ becomes part of the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = re.compile(r"\]\(\.\./(?P<path>[^)#]+)\)")


def on_files(files: Any, config: Any, **_: object) -> Any:
    """Add the files outside that any page links to, under their paths from the project's folder."""
    from mkdocs.structure.files import File

    pages = [page for page in files.documentation_pages() if page.abs_src_path]
    texts = [Path(page.abs_src_path).read_text(encoding="utf-8") for page in pages]
    for path in sorted({found["path"] for text in texts for found in OUTSIDE.finditer(text)}):
        if (ROOT / path).is_file():  # what is not there is a broken link, which a strict build refuses
            files.append(File.generated(config, f"outside/{path}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Point links at where `on_files` puts what they name; all pages lie in one folder."""
    return OUTSIDE.sub(r"](outside/\g<path>)", markdown)
