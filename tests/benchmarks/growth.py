"""How the time of each command grows with each thing a file can have more of.

`python tests/benchmarks/growth.py [AXIS] [COMMAND] [--save FILE] [--against FILE]`

Sizes are doubled up to 10,000 and a measurement is left after 20 s of processor time. The
exponent is the slope of log time over log size for the last three sizes that took at least a
tenth of a second: 1 is linear, 2 is quadratic. `--save` keeps the exponents, `--against` prints
those kept earlier beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import json
import math
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from measure import network  # noqa: E402

DOUBLINGS = 7
PATIENCE = 20
"""Seconds of one measurement."""
MEMORY = 4 * 10**9
LEAST = 0.1
"""Seconds below which a time says nothing about growth."""
STEEP = 1.1

Arguments = list[str]


def number(n: int) -> str:
    """Some number between −1 and 1, the same each time."""
    return str(((n * 7919 + 104729) % 2001 - 1000) / 1000)


def equations(lines: dict[str, str], given: dict[str, str], parameters: dict[str, str]) -> str:
    """The file of a problem in equations with these places."""
    text = ["title: a benchmark", "equations:"]
    text += [f"  {name}: {formula}" for name, formula in lines.items()]
    text.append("given: {" + ", ".join(f"{n}: {v}" for n, v in given.items()) + "}")
    text.append("parameters: {" + ", ".join(f"{n}: {v}" for n, v in parameters.items()) + "}")
    text.append("learning_rate: 0.1")
    return "\n".join(text) + "\n"


def sum_of(names: list[str]) -> dict[str, str]:
    """Equations that add quantities up to L, ten at a time, so that no formula is long."""
    lines: dict[str, str] = {}
    level = 0
    while len(names) > 10:
        groups = [names[start : start + 10] for start in range(0, len(names), 10)]
        names = [f"s{level}_{index}" for index in range(len(groups))]
        lines |= {name: " + ".join(group) for name, group in zip(names, groups, strict=True)}
        level += 1
    return {**lines, "L": " + ".join(names)}


def parameters(size: int) -> str:
    width = max(1, round(math.sqrt(size / 2)))
    return network(width, width, width)


def many_parameters(size: int) -> str:
    """As many parameters as equations, each used once."""
    own = {f"c{i}": f"tanh(p{i}*x)" for i in range(size // 2)}
    start = {f"p{i}": number(i) for i in range(size // 2)}
    return equations(own | sum_of(list(own)), {"x": "0.5"}, start)


def many_equations(size: int) -> str:
    own = {f"c{i}": f"tanh(p*x + {number(i)})" for i in range(size)}
    return equations(own | sum_of(list(own)), {"x": "0.5"}, {"p": "0.3"})


def samples(size: int) -> str:
    return network(2, 2, 1, samples=size)


def mini_batches(size: int) -> str:
    return network(2, 2, 1, samples=size) + "training: {batch: 4, steps: 3}\n"


def depth(size: int) -> str:
    chain = {f"h{i}": f"tanh(w*h{i - 1} + b)" if i else "tanh(w*x)" for i in range(size)}
    last = f"h{size - 1}"
    return equations(
        chain | {"L": f"½({last} - y)²"}, {"x": "0.5", "y": "1"}, {"w": "0.9", "b": "0.1"}
    )


def layers(size: int) -> str:
    """A network of many layers of two units."""
    return network(*[2] * max(2, size // 6 + 1), activation="tanh")


def arrays(size: int) -> str:
    rows = max(1, size // 4)
    data = ", ".join(f"[{', '.join(number(4 * i + j) for j in range(4))}]" for i in range(rows))
    targets = ", ".join(f"[{number(i)}, {number(i + 3)}]" for i in range(rows))
    return (
        "title: a benchmark\nequations:\n  Z: X @ W + b\n  A: tanh(Z)\n  L: ½ sum((A - Y)²)\n"
        f"given: {{X: [{data}], Y: [{targets}]}}\n"
        "parameters: {W: [[0.1, 0.2], [0.3, -0.4], [0.5, 0.6], [0.7, 0.8]], b: [0.1, 0.2]}\n"
        "learning_rate: 0.1\n"
    )


def updates(size: int) -> str:
    return network(2, 2, 1) + f"training: {{steps: {size}}}\n"


def conditions(size: int) -> str:
    """Conditions within conditions, as many as a formula may have."""
    return equations({"L": nested(size)}, {}, {"x": "0.5"})


def nested(size: int) -> str:
    return " else ".join(f"{i}*x if x > {i}" for i in range(size)) + " else x"


def wide_max(size: int) -> str:
    start = {f"p{i}": number(i) for i in range(size)}
    return equations({"L": f"max({', '.join(start)})"}, {}, start)


def wide_product(size: int) -> str:
    start = {f"p{i}": number(i) for i in range(size)}
    return equations({"L": "*".join(start)}, {}, start)


def wide_sum(size: int) -> str:
    start = {f"p{i}": number(i) for i in range(size)}
    return equations({"L": " + ".join(f"p{i}*x" for i in range(size))}, {"x": "2"}, start)


AXES: dict[str, tuple[Callable[[int], str], int]] = {
    "parameters": (parameters, 10_000),
    "equations": (many_equations, 10_000),
    "parameters-in-equations": (many_parameters, 10_000),
    "samples": (samples, 10_000),
    "mini-batches": (mini_batches, 10_000),
    "depth": (depth, 10_000),
    "layers": (layers, 5_000),
    "arrays": (arrays, 10_000),
    "updates": (updates, 10_000),
    "conditions": (conditions, 48),
    "operands-of-max": (wide_max, 1_250),
    "factors": (wide_product, 1_250),
    "terms": (wide_sum, 1_250),
}


def plainly(*words: str) -> Callable[[Path, int], Arguments]:
    return lambda file, size: [words[0], str(file), *words[1:]]


def shown(file: Path, size: int) -> Arguments:
    return ["solve", str(file), "--show", str(size)]


def answered(right: bool) -> Callable[[Path, int], Arguments]:
    """`check` of a file that answers everything, every number right or every one wrong."""

    def arguments(file: Path, size: int) -> Arguments:
        answers = file.with_suffix(".answers.yaml")
        data = json.loads(called(["solve", str(file), "--format", "json", "--show", "1"]))
        lines = ["answers:"]
        for index, step in enumerate(data["steps"]):
            if step["section"] in ("forward", "loss", "gradient", "update"):
                value = step["value"] if right else step["value"] * 1.37 + 0.11 * (index % 7)
                lines.append(f"  {step['name']}: {value:.6g}")
        answers.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return ["check", str(file), str(answers), "--exit-zero"]

    return arguments


COMMANDS: dict[str, Callable[[Path, int], Arguments]] = {
    "validate": plainly("validate"),
    "json": plainly("solve", "--format", "json"),
    "text": plainly("solve", "--all"),
    "markdown": plainly("solve", "--all", "--format", "markdown"),
    "html": plainly("solve", "--all", "--format", "html"),
    "symbolic": plainly("solve", "--all", "--symbolic"),
    "only": plainly("solve", "--only", "L"),
    "draw": plainly("draw"),
    "worksheet": plainly("worksheet"),
    "check": answered(right=True),
    "check-wrong": answered(right=False),
    "verify": plainly("verify"),
}
OF_AXIS: dict[str, dict[str, Callable[[Path, int], Arguments]]] = {
    "updates": {"text": shown, "json": plainly("solve", "--format", "json")},
    "mini-batches": {name: COMMANDS[name] for name in ("json", "text", "check")},
}
"""The commands of an axis of which not all are of interest."""


def called(arguments: Arguments) -> str:
    """What a command prints, run in this process."""
    from backprop_cli.cli import outcome

    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    complaints = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(complaints):
        code = outcome(arguments)
    out.flush()
    if code == 2:
        raise ValueError(complaints.getvalue().strip().partition("\n")[0][:120])
    return out.buffer.getvalue().decode()  # type: ignore[attr-defined]


def times_of(axis: str, command: str, patience: int) -> tuple[dict[int, float], str]:
    """Processor seconds by size, measured in a process of its own, and why there are no more."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        with os.fdopen(writing, "w") as out:
            _measure(axis, command, patience, out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as lines:
        said = [line.rstrip("\n").split("\t") for line in lines]
    os.waitpid(child, 0)
    times = {int(size): float(took) for size, took, *_ in said if size != "end"}
    reason = next((rest[0] for size, *rest in said if size == "end"), f"over {patience} s")
    return times, reason


def _measure(axis: str, command: str, patience: int, out: io.TextIOBase) -> None:
    """Write a line of size and time for each size that can be measured."""
    gc.unfreeze()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    file_of, most = AXES[axis]
    arguments_of = OF_AXIS.get(axis, COMMANDS)[command]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "problem.yaml"
        for size in (most >> doublings for doublings in reversed(range(DOUBLINGS + 1))):
            if size == 0:
                continue
            file.write_text(file_of(size), encoding="utf-8")
            used = math.ceil(time.process_time())
            resource.setrlimit(resource.RLIMIT_CPU, (used + 3 * patience, -1))
            try:
                arguments = arguments_of(file, size)
                gc.collect()
                begun = time.process_time()
                resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(begun) + patience, -1))
                called(arguments)
            except (ValueError, MemoryError) as error:
                said = str(error) or type(error).__name__
                print("end", said.replace("\t", " "), sep="\t", file=out, flush=True)
                return
            took = time.process_time() - begun
            print(size, took, sep="\t", file=out, flush=True)
            if took > patience / 2:
                break
        print("end", "", sep="\t", file=out, flush=True)


def exponent(times: dict[int, float]) -> float | None:
    """The slope of log time over log size at the end, None where all times are short."""
    points = [(math.log(size), math.log(t)) for size, t in times.items() if t >= LEAST][-3:]
    if len(points) < 2:
        return None
    x_mean, y_mean = (sum(axis) / len(points) for axis in zip(*points, strict=True))
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / sum(
        (x - x_mean) ** 2 for x, _ in points
    )


def measurements(axes: list[str], commands: list[str]) -> Iterator[tuple[str, str]]:
    for axis in axes:
        for command in OF_AXIS.get(axis, COMMANDS):
            if command in commands:
                yield axis, command


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("only", nargs="*", help="axes and commands")
    parser.add_argument("--patience", type=int, default=PATIENCE, metavar="SECONDS")
    parser.add_argument("--save", type=Path)
    parser.add_argument("--against", type=Path)
    asked = parser.parse_args()
    axes = [axis for axis in AXES if axis in asked.only] or list(AXES)
    commands = [command for command in COMMANDS if command in asked.only] or list(COMMANDS)
    before = json.loads(asked.against.read_text()) if asked.against else {}
    from backprop_cli.__main__ import GARBAGE

    found = {}
    called(["solve", str(ROOT / "problems" / "one-neuron.yaml")])  # imports what all need
    gc.set_threshold(*GARBAGE)
    gc.freeze()
    for axis, command in measurements(axes, commands):
        times, reason = times_of(axis, command, asked.patience)
        power = exponent(times)
        largest = max(times, default=0)
        found[f"{axis} {command}"] = {
            "exponent": power,
            "size": largest,
            "seconds": times.get(largest),
        }
        line = f"{axis:24} {command:12} "
        line += "short" if power is None else f"{power:5.2f}"
        line += "  steep" if power is not None and power > STEEP else "       "
        line += f"  {largest} in {times.get(largest, 0):.2f} s"
        if (earlier := before.get(f"{axis} {command}")) is not None:
            power = earlier["exponent"]
            took = earlier["seconds"] or 0
            line += f"  before {'short' if power is None else f'{power:.2f}'}"
            line += f", {earlier['size']} in {took:.2f} s"
        print(f"{line}  {reason}".rstrip(), flush=True)
        if asked.save:
            asked.save.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
