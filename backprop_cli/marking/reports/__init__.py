"""Report files: one small file per format, each a stream of text from a stream of reports.

Nothing here holds more than one submission at a time, save what a format needs of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
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


def _written(writer: str, head: Head, reports: Iterable[SubmissionReport]) -> Iterator[str]:
    """What a writer makes of reports; it is imported when it is asked for."""
    module, _, name = writer.partition(".")
    return cast(Report, getattr(import_module(f"{__name__}.{module}"), name))(head, reports)


REPORTS: Mapping[str, Report] = {
    format: partial(_written, writer) for format, writer in _WRITERS.items()
}
"""Every format but those that are sheets: a document (see `worksheet.marked`)."""
