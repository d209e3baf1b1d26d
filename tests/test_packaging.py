"""What is handed out: the wheel, the source distribution, and what they need."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from commands import PROBLEMS, ROOT

import backprop_cli

pytest.importorskip("hatchling")

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGE = ROOT / "backprop_cli"
SOURCES = ("pyproject.toml", "README.md", ".gitignore", "backprop_cli", "problems", "tests")
LEFTOVERS = (
    "build/lib/backprop_cli/gone.py",
    "dist/backprop_cli-0.0.1-py3-none-any.whl",
    "backprop_cli.egg-info/SOURCES.txt",
    "backprop_cli/__pycache__/gone.cpython-311.pyc",
    "backprop_cli/rules/__pycache__/gone.cpython-311.pyc",
    "problems/__pycache__/gone.cpython-311.pyc",
    "tests/__pycache__/gone.cpython-311.pyc",
    ".mypy_cache/x.json",
)


def run(*words: str | Path, cwd: Path, **environment: str) -> str:
    done = subprocess.run(
        list(map(str, words)),
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1", **environment},
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def tree(place: Path, *leftovers: str) -> Path:
    """A copy of what a clone holds, with some files of an earlier build lying about."""
    ignore = shutil.ignore_patterns("__pycache__")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=ignore)
        else:
            place.mkdir(exist_ok=True)
            shutil.copy(source, place / name)
    for name in leftovers:
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("left over")
    return place


def build(what: str, source: Path, place: Path) -> Path:
    """What pip has a build system do, in a process of its own."""
    place.mkdir()
    code = f"from hatchling.build import {what}; print({what}({str(place)!r}))"
    return place / run(sys.executable, "-c", code, cwd=source).splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    return build("build_wheel", tree(place / "clone"), place / "dist")


def test_leftovers_change_nothing_and_the_source_distribution_is_enough(
    wheel: Path, tmp_path: Path
) -> None:
    littered = tree(tmp_path / "clone", *LEFTOVERS)
    assert build("build_wheel", littered, tmp_path / "again").read_bytes() == wheel.read_bytes()
    sdist = build("build_sdist", littered, tmp_path / "sdist")
    with tarfile.open(sdist) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
        packed.extractall(tmp_path, filter="data")
    assert {"pyproject.toml", "README.md", "backprop_cli/LICENSE", "tests/lowest.txt"} <= names
    assert not [name for name in names if "gone" in name or name.startswith(("build", "dist"))]
    (unpacked,) = tmp_path.glob("backprop_cli-*")
    assert build("build_wheel", unpacked, tmp_path / "third").read_bytes() == wheel.read_bytes()


def test_the_wheel_holds_the_package_and_the_examples(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = {name for name in packed.namelist() if ".dist-info/" not in name}
        license = (PACKAGE / "LICENSE").read_text(encoding="utf-8")
        assert packed.read("backprop_cli/LICENSE").decode() == license
    assert license.startswith("MIT License\n")
    assert PROJECT["license"] == "MIT"
    expected = {
        f"backprop_cli/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    expected |= {
        f"backprop_cli/problems/{path.relative_to(PROBLEMS).as_posix()}"
        for path in PROBLEMS.rglob("*.yaml")
    }
    assert names == expected


def test_what_is_installed_works_without_the_clone(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    for place in (site, wheel):  # Python imports from a zip as well
        command = (sys.executable, "-m", "backprop_cli")
        environment = {"PYTHONPATH": str(place), "COLUMNS": "80"}
        where = run(
            sys.executable, "-c", "import backprop_cli; print(backprop_cli.__file__)",
            cwd=tmp_path, **environment,
        )  # fmt: skip
        assert where.startswith(str(place))
        for problem in PROBLEMS.glob("two-hidden-*.yaml"):
            copied = run(*command, "new", "--from", problem.stem, cwd=tmp_path, **environment)
            assert copied == problem.read_text(encoding="utf-8")
        listed = run(*command, "new", "--list", cwd=tmp_path, **environment)
        assert listed.count("│") > len(list(PROBLEMS.glob("*.yaml")))
        assert "quantities" in run(*command, "help", "names", cwd=tmp_path, **environment)


def test_an_editable_installation_is_the_clone(tmp_path: Path) -> None:
    clone = tree(tmp_path / "clone")
    with zipfile.ZipFile(build("build_editable", clone, tmp_path / "dist")) as packed:
        (path,) = (name for name in packed.namelist() if name.endswith(".pth"))
        assert packed.read(path).decode().split() == [str(clone)]
    command = (sys.executable, "-m", "backprop_cli", "new", "--from", "one-neuron")
    copied = run(*command, cwd=tmp_path, PYTHONPATH=str(clone))
    assert copied == (PROBLEMS / "one-neuron.yaml").read_text(encoding="utf-8")


def test_both_names_are_commands_and_the_version_is_one(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        (about,) = (name for name in packed.namelist() if name.endswith("/entry_points.txt"))
        points = packed.read(about).decode()
        metadata = packed.read(about.replace("entry_points.txt", "METADATA")).decode()
    scripts = dict(re.findall(r"^([\w-]+) = ([\w.:]+)$", points, re.M))
    assert scripts == dict.fromkeys(("backprop", PROJECT["name"]), "backprop_cli.__main__:main")
    assert f"\nVersion: {backprop_cli.__version__}\n" in metadata
    changes = (PACKAGE / "pages" / "changes.md").read_text(encoding="utf-8")
    assert f"\n## {backprop_cli.__version__}\n" in changes


def requirement(line: str) -> tuple[str, str, str]:
    """`typer>=0.20` as name, sign and version."""
    found = re.fullmatch(r"([\w-]+)(?:\[[\w,]+\])?(?:([=<>~!]+)([\w.]+))?", line)
    assert found is not None, line
    return found[1].lower(), found[2] or "", found[3] or ""


def test_the_lowest_versions_are_those_that_are_tested() -> None:
    lowest = {}
    for line in (ROOT / "tests" / "lowest.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            name, sign, version = requirement(line)
            assert sign == "=="
            lowest[name] = version
    declared = PROJECT["dependencies"]
    for extra, lines in PROJECT["optional-dependencies"].items():
        declared = declared + (lines if extra not in ("test", "dev") else [])
    for line in declared:
        name, sign, version = requirement(line)
        assert sign == ">=", f"{line}: a lowest version is declared, and no highest"
        assert re.fullmatch(rf"{re.escape(version)}(\.0)*", lowest[name]), line


@pytest.mark.parametrize("extra", ["test", "dev"])
def test_tools_are_pinned(extra: str) -> None:
    """A new release of one of them must not turn the tests red."""
    for line in PROJECT["optional-dependencies"][extra]:
        name, sign, _ = requirement(line)
        assert sign == "==" or name == PROJECT["name"], line
