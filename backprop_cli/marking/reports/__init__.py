"""Report files: one small file per format, each a stream of text from a stream of reports.

Nothing here holds more than one submission at a time, save what a format needs of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import TypeAlias, cast

from backprop_cli.marking.model import Head, SubmissionReport

Report: TypeAlias = Callable[[Head, Iterable[SubmissionReport]], Iterator[str]]

_WRITERS = {
    "json": "json.write",
    "junit": "junit.write",
    "gradescope": "gradescope.write",
    "github": "github.write",
    "classroom50": "classroom50.write",
    "csv": "csv.write",
    "csv-answers": "csv.write_answers",
    "markdown": "markdown.write",
}


class _Reports(Mapping[str, Report]):
    """The writers by format, each imported when it is asked for."""

    def __getitem__(self, format: str) -> Report:
        module, _, name = _WRITERS[format].partition(".")
        return cast(Report, getattr(import_module(f"{__name__}.{module}"), name))

    def __iter__(self) -> Iterator[str]:
        return iter(_WRITERS)

    def __len__(self) -> int:
        return len(_WRITERS)


REPORTS: Mapping[str, Report] = _Reports()
"""Every format but those that are sheets: a document (see `worksheet.marked`)."""
