"""PDF pages without a TeX installation, by the `typst` package, which is an extra."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path

from backprop_cli.render import typst as source
from backprop_cli.render.formats import NoRenderer
from backprop_cli.worksheet.document import Document

INSTALL = "pip install 'backprop-cli[pdf]'"


class PdfUnavailable(NoRenderer):
    """The `typst` package is not installed; the message says how to get it."""

    def __init__(self) -> None:
        super().__init__(f"PDF needs the typst package: {INSTALL}")


def render(document: Document, *, paper: str = "a4") -> bytes:
    """The document as a PDF file; `paper` is `a4` or `letter`. The same document, the same bytes.

    Raises `PdfUnavailable` where the `typst` package is missing.
    """
    try:
        import typst
    except ImportError as missing:
        raise PdfUnavailable from missing
    written = source.render(document, paper=paper)
    with tempfile.TemporaryDirectory() as root:
        # A root of its own: whatever the source held, it could read nothing but itself.
        sheet = Path(root, "sheet.typ")
        sheet.write_text(written, encoding="utf-8")
        made = typst.compile(
            str(sheet),
            root=root,
            format="pdf",
            ignore_system_fonts=not needs_system_fonts(written),
            timestamp=0,
        )
    assert isinstance(made, bytes)
    return made


def needs_system_fonts(text: str) -> bool:
    """Whether there are letters beyond Latin, Greek and Cyrillic, which Typst brings no font for.

    Only then does the PDF depend on the fonts of the machine it is made on.
    """
    return any(
        character > "\u058f" and unicodedata.category(character) in ("Lo", "Mn", "Mc")
        for character in text
    )
