"""Where answers come from: files, folders and zip archives, and whose they are by their places.

Archives are hostile: nothing is unpacked to disk, entries are read one at a time and no further
than an answer file may go, and what an archive says about itself is bounded before it is believed.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from backprop_cli.dataclass import dataclass, replace
from backprop_cli.marking.answers import parse_submission, read_submission
from backprop_cli.marking.names import AnswerNames
from backprop_cli.marking.pages import is_page
from backprop_cli.marking.submission import MOST_BYTES, Submission, student_of

if TYPE_CHECKING:
    import zipfile

ENDINGS = frozenset({".yaml", ".yml", ".json", ".csv"})
"""Of files that hold answers and nothing else; a page counts where there are some on it."""
GENERAL = frozenset({"answers", "answer", "homework", "solution", "solutions", "submission",
                     "template", "worksheet"})  # fmt: skip
"""Names of files that say nothing about whose they are; the folder does."""
MOST_KNOWN = 500
"""So many pages that were looked into are kept until they are marked; more are read again."""
MOST_ENTRIES = 10_000
MOST_SEEN = 100_000
MOST_ARCHIVE = 1 << 30
MOST_DIRECTORY = 4 << 20
"""The table of contents of an archive has no more bytes than this."""
COMPRESSED = frozenset({0, 8})
"""As they are, or deflated; other ways may unpack to anything."""
OUTSIDE = frozenset({"", ".", "..", "/"})


@dataclass(frozen=True)
class Place:
    """One answer file: on disk, or the `member` of an archive. `error` says why there is none."""

    path: str
    member: str | None = None
    student: str = ""
    error: str | None = None
    within: bool = False  # found in a folder or an archive that was named
    known: Submission | None = None  # what is in it, where it has been read

    @property
    def file(self) -> str:
        return self.path if self.member is None else f"{self.path}/{self.member}"

    @property
    def folder(self) -> str:
        """The name of the folder that the file is in, where there is one."""
        name = PurePosixPath(Path(self.file).as_posix()).parent.name
        return "" if name in OUTSIDE else name

    def read(self) -> Submission:
        """What is in the file; never raises."""
        if self.error is not None:
            return Submission(self.file, self.student, (), self.error)
        if self.known is not None:
            found = self.known
        elif self.member is None:
            found = read_submission(self.path)
        else:
            found = _read_member(self.path, self.member, self.file)
        if self.student and found.student == student_of(found.file):
            return replace(found, student=self.student)
        return found


def places(
    paths: Iterable[str],
    problem: str,
    names: AnswerNames | None = None,
    passed_over: Callable[[str], None] = lambda file: None,
) -> Iterator[Place]:
    """The answer files under the paths given, in order; folders and archives are looked through.

    Of the pages in there those without an answer to the sheet, by its `names`, are `passed_over`.
    """

    left = MOST_KNOWN

    def answered(found: Iterable[Place]) -> Iterator[Place]:
        nonlocal left
        for place in found:
            page = place.read() if is_page(place.file) else None
            if page is None:
                yield place
            elif holds_answers(page, names):
                left -= 1
                yield place if left < 0 else replace(place, known=page)
            else:
                passed_over(place.file)

    for path in paths:
        if path != "-" and os.path.isdir(path):
            yield from _named(list(answered(_in_folder(path, problem))), path)
        elif path.lower().endswith(".zip"):
            yield from _named(list(answered(_in_archive(path))), path)
        else:
            yield Place(path)


def holds_answers(found: Submission, names: AnswerNames | None) -> bool:
    """Whether anything in a file answers a sheet, or is its blank."""
    written = [answer for group in found.iterations for answer in group]
    if found.error is not None or not written:
        return found.error is None and bool(found.iterations)
    return names is None or any(
        names.find(each.name) or names.look(each.name).names or names.array(each.name)
        for each in written
        if not each.in_words
    )


def named(found: Sequence[Place]) -> list[Place]:
    """The files with whose they are: the file's name, or the folder's where several files have the
    same name or one that says nothing."""
    times = Counter(student_of(place.file).lower() for place in found)
    return [
        place
        if place.student or (place.error is not None and place.member is None)
        else replace(place, student=_by_place(place, times[student_of(place.file).lower()] > 1))
        if place.within or len(found) > 1
        else replace(place, student=student_of(place.file))
        for place in found
    ]


def _named(found: list[Place], root: str) -> list[Place]:
    if not found:
        return [Place(root, error="there are no answer files in it")]
    return found


def _by_place(place: Place, repeated: bool) -> str:
    stem = student_of(place.file)
    says_nothing = stem.lower() in GENERAL
    if place.path == "-" or not (says_nothing or repeated):
        return stem
    folder = place.folder
    if not folder or (place.member is not None and "/" not in place.member):
        return stem
    return folder if says_nothing else f"{folder}/{stem}"


def _in_folder(root: str, problem: str) -> Iterator[Place]:
    seen = 0
    for folder, below, files in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith((".", "__MACOSX")))
        for name in sorted(files):
            seen += 1
            path = os.path.join(folder, name)
            if seen > MOST_SEEN:
                yield Place(root, error=f"there are more than {MOST_SEEN:,} files in it")
                return
            if name.startswith(".") or not _may_answer(name):
                continue
            if os.path.islink(path) or not os.path.isfile(path) or _same(path, problem):
                continue
            yield Place(path, within=True)


def _may_answer(name: str) -> bool:
    return Path(name).suffix.lower() in ENDINGS or is_page(name)


def _same(path: str, other: str) -> bool:
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def _in_archive(path: str) -> Iterator[Place]:
    import zipfile  # which few commands need

    try:
        with open(path, "rb") as stream:
            reason = _too_large(stream.seek(0, os.SEEK_END), stream)
            if reason is not None:
                yield Place(path, error=reason)
                return
            with zipfile.ZipFile(stream) as archive:
                members = archive.infolist()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, struct.error) as error:
        reason = getattr(error, "strerror", None) or "it is no zip archive that can be read"
        yield Place(path, error=f"cannot read the archive: {reason}")
        return
    if len(members) > MOST_ENTRIES:
        yield Place(path, error=f"the archive has more than {MOST_ENTRIES:,} entries")
        return
    for member in sorted(members, key=lambda each: each.filename):
        name = PurePosixPath(member.filename)
        hidden = any(part.startswith((".", "__MACOSX")) and part != ".." for part in name.parts)
        if member.is_dir() or hidden or not _may_answer(name.name):
            continue
        yield Place(path, member.filename, error=_refused(member, name), within=True)


def _refused(member: zipfile.ZipInfo, name: PurePosixPath) -> str | None:
    if name.is_absolute() or ".." in name.parts or "\\" in member.filename or ":" in name.parts[0]:
        return "its path leads out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "it is a link"
    if member.flag_bits & 1:
        return "it is encrypted"
    if member.compress_type not in COMPRESSED:
        return "it is compressed in a way that is not read here"
    if member.file_size > MOST_BYTES:
        return "the file is larger than 1 MiB"
    return None


def _too_large(size: int, stream: BinaryIO) -> str | None:
    """Why an archive is not even opened: its table of contents would fill the memory."""
    if size > MOST_ARCHIVE:
        return "the archive is larger than 1 GiB"
    stream.seek(max(0, size - 65_600))
    tail = stream.read(65_600)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) < at + 22:
        return "cannot read the archive: it is no zip archive that can be read"
    entries, length = struct.unpack("<HI", tail[at + 10 : at + 16])
    if entries == 0xFFFF or length > MOST_DIRECTORY or b"PK\x06\x07" in tail[max(0, at - 24) : at]:
        return f"the archive has more than {MOST_ENTRIES:,} entries"
    return None


def _read_member(path: str, member: str, file: str) -> Submission:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
            data = stream.read(MOST_BYTES + 1)
    except Exception as error:  # whatever a broken archive makes the library raise
        reason = re.sub(r"\s+", " ", str(error))[:100] or type(error).__name__
        return Submission(file, student_of(member), (), f"cannot read the file: {reason}")
    return parse_submission(file, data)
