"""How the tutor's text is set where it goes."""

from __future__ import annotations

from backprop_cli.dataclass import dataclass
from backprop_cli.render.formats import render
from backprop_cli.worksheet.document import Document


@dataclass(frozen=True)
class Page:
    """Columns, plain signs or not, styles or not."""

    width: int = 80
    ascii: bool = False
    color: bool = False

    def written(self, document: Document) -> str:
        return str(render("text", document, width=self.width, ascii=self.ascii, color=self.color))


class Said(Document):
    """What the tutor says: a document, and text where it is printed."""

    def __str__(self) -> str:
        return Page().written(self)
