"""Report files: one small file per format, each a stream of text from a stream of reports.

Nothing here holds more than one submission at a time, save what a format needs of the whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from backprop_cli.marking.model import Head, SubmissionReport
from backprop_cli.marking.reports import (
    classroom50,
    csv,
    github,
    gradescope,
    json,
    junit,
    markdown,
)

Report: TypeAlias = Callable[[Head, Iterable[SubmissionReport]], Iterator[str]]

REPORTS: Mapping[str, Report] = MappingProxyType(
    {
        "json": json.write,
        "junit": junit.write,
        "gradescope": gradescope.write,
        "github": github.write,
        "classroom50": classroom50.write,
        "csv": csv.write,
        "csv-answers": csv.write_answers,
        "markdown": markdown.write,
    }
)
"""Every format but those that are sheets: a document (see `worksheet.marked`)."""
