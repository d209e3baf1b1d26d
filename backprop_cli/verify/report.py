"""What verifying a problem came to, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from backprop_cli.diagnostics import json_text
from backprop_cli.verify import TOLERANCE, Comparison, Proved, Uncompared, Verification
from backprop_cli.worksheet.solution_json import PROOFS, number

FORMAT = "backprop-verification/1"


def verification_json(verified: Verification) -> str:
    """The comparison as JSON text, ending in a line feed."""
    return json_text(verification_data(verified))


def verification_data(verified: Verification) -> dict[str, Any]:
    """One entry a gradient; one a batch or a point where there are several of them."""
    findings = verified.findings
    return {
        "format": FORMAT,
        "title": verified.problem.title,
        "agrees": verified.agrees,
        "tolerance": TOLERANCE,
        "gradients": list(_gradients(verified)),
        **_rules(verified),
        "left_out": 0 if findings is None else findings.left_out,
        "batches_left_out": 0 if findings is None else findings.batches_left_out,
    }


def _rules(verified: Verification) -> dict[str, Any]:
    """The rules between whole arrays, where there are arrays."""
    rules = () if verified.findings is None else verified.findings.rules
    found = [
        {"name": each.name, "holds": each.formula is not None and not each.failed} for each in rules
    ]
    return {"rules": found} if found else {}


def _gradients(verified: Verification) -> Iterator[dict[str, Any]]:
    if verified.findings is None:
        return
    for proved in verified.findings.proved:
        yield _entry(proved, "agrees", proof=PROOFS[proved.proof])
    for each in verified.findings.comparisons:
        found = (each.difference, each.symbolic, each.error)
        yield _entry(each, _verdict(each), each.ours, *([] if each.on_kink else found))
    for own in verified.findings.singular:
        yield _entry(own, "one-sided" if own.at_an_edge else "no-derivative", own.ours)


def _entry(
    each: Comparison | Proved | Uncompared,
    verdict: str,
    ours: float | None = None,
    quotient: float | None = None,
    symbolic: float | None = None,
    error: float | None = None,
    *,
    proof: str | None = None,
) -> dict[str, Any]:
    return {
        "name": each.name,
        "at": each.place or None,
        "value": number(ours),
        "quotient": number(quotient),
        "sympy": number(symbolic),
        "relative_error": number(error),
        "verdict": verdict,
        "proof": proof,
    }


def _verdict(each: Comparison) -> str:
    """A kink has no derivative to compare with: the sheet follows a convention there."""
    if each.on_kink:
        return "convention"
    if not each.agrees:
        return "mismatch"
    return "rounding" if each.rounding else "agrees"
