"""What verifying a problem came to, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from backprop_cli.verify import TOLERANCE, Comparison, Proved, Verification
from backprop_cli.worksheet.solution_json import PROOFS, number

FORMAT = "backprop-verification/1"


def verification_json(verified: Verification) -> str:
    """The comparison as JSON text, ending in a line feed."""
    return json.dumps(verification_data(verified), ensure_ascii=False, indent=1) + "\n"


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
        yield _proved(proved)
    for comparison in verified.findings.comparisons:
        yield _compared(comparison)
    for each in verified.findings.singular:
        yield {
            "name": each.name,
            "at": each.place or None,
            "value": number(each.ours),
            "quotient": None,
            "sympy": None,
            "relative_error": None,
            "verdict": "one-sided" if each.at_an_edge else "no-derivative",
            "proof": None,
        }


def _proved(each: Proved) -> dict[str, Any]:
    return {
        "name": each.name,
        "at": each.place or None,
        "value": None,
        "quotient": None,
        "sympy": None,
        "relative_error": None,
        "verdict": "agrees",
        "proof": PROOFS[each.proof],
    }


def _compared(each: Comparison) -> dict[str, Any]:
    return {
        "name": each.name,
        "at": each.place or None,
        "value": number(each.ours),
        "quotient": None if each.on_kink else number(each.difference),
        "sympy": None if each.on_kink else number(each.symbolic),
        "relative_error": None if each.on_kink else number(each.error),
        "verdict": _verdict(each),
        "proof": None,
    }


def _verdict(each: Comparison) -> str:
    """A kink has no derivative to compare with: the sheet follows a convention there."""
    if each.on_kink:
        return "convention"
    if not each.agrees:
        return "mismatch"
    return "rounding" if each.rounding else "agrees"
