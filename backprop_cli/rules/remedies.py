"""What is done to gradients and to z beside the rules: penalties, clipping, batch normalisation.

The steps themselves are written by `graph`; these rows say what they come to, in `w`, `g` (the
parameter's gradient), `z` and the settings. Tests work each equation out beside a sheet.
"""

from __future__ import annotations

from collections.abc import Mapping

from backprop_cli.dataclass import dataclass
from backprop_cli.formula.build import negative, over, total
from backprop_cli.formula.nodes import Call, Formula, Name, Number, Power
from backprop_cli.rules.written import ByAnyName, instantiate


@dataclass(frozen=True)
class Setting:
    """One way of asking for a remedy: how a file says it, and the equations that follow."""

    key: str
    texts: Mapping[str, str]

    @property
    def equations(self) -> dict[str, Formula]:
        """By name, in order of calculation; `g` and `L` on the left are the new ones."""
        return {name: instantiate(text, _SUMS) for name, text in self.texts.items()}


@dataclass(frozen=True)
class RemedyRule:
    name: str
    title: str
    use: str
    settings: tuple[Setting, ...]
    reason: str
    aliases: tuple[str, ...] = ()


TWO = Number("2")

_SUMS: Mapping[str, Formula] = {
    "sum_z": over("i", Name("z_i")),
    "sum_deviations": over("i", Power(total(Name("z_i"), negative(Name("mu"))), TWO)),
    "sum_squares": over("i", Power(Name("w_i"), TWO)),
    "sum_sizes": over("i", Call("abs", (Name("w_i"),))),
    "sum_g": over("i", Power(Name("g_i"), TWO)),
}
"""What stands in a row's text for a sum over all samples, weights or parameters."""

_ROWS = (
    RemedyRule(
        "l2",
        "L2 penalty",
        use="against weights that grow too large",
        settings=(
            Setting("l2: 0.1", {"g": "g + lambda*w"}),
            Setting("l2: {value: 0.1, half: false}", {"g": "g + 2*lambda*w"}),
            Setting("l2: {value: 0.1, in_loss: true}", {"L": "L + 1/2*lambda*sum_squares"}),
        ),
        reason="The slope of ½λw² is λw: every weight is drawn towards 0 in proportion to its size."
        " Biases are left alone unless `biases: true`.",
        aliases=("ridge",),
    ),
    RemedyRule(
        "l1",
        "L1 penalty",
        use="against weights that are not needed: they become 0",
        settings=(
            Setting("l1: 0.1", {"g": "g + lambda*abs'(w)"}),
            Setting("l1: {value: 0.1, in_loss: true}", {"L": "L + lambda*sum_sizes"}),
        ),
        reason="The slope of λ|w| is λ or −λ, and 0 at w = 0: every weight is drawn towards 0 by the"
        " same amount. Biases are left alone unless `biases: true`.",
        aliases=("lasso",),
    ),
    RemedyRule(
        "clip",
        "gradient clipping",
        use="against steps that are too large",
        settings=(
            Setting(
                "clip: {norm: 1.0}",
                {
                    "norm": "sqrt(sum_g)",
                    "g": "g*(threshold/norm if norm > threshold else 1)",
                },
            ),
            Setting("clip: {value: 0.5}", {"g": "max(-threshold, min(threshold, g))"}),
        ),
        reason="By norm the gradient of all parameters is shortened and keeps its direction; by value"
        " each of its numbers is cut off by itself.",
        aliases=("clipping", "gradient_clipping"),
    ),
    RemedyRule(
        "batch_norm",
        "batch normalisation",
        use="on a layer, between z and its activation, for batches of several samples",
        settings=(
            Setting(
                "batch_norm: {epsilon: 1e-5}",
                {
                    "mu": "sum_z/n",
                    "var": "sum_deviations/n",
                    "zhat": "(z - mu)/sqrt(var + epsilon)",
                    "u": "gamma*zhat + beta",
                },
            ),
        ),
        reason="Each unit's z gets mean 0 and variance 1 over the batch, then a scale and a shift of"
        " its own, γ and β, that are learnt.",
        aliases=("batchnorm", "batch_normalisation", "batch_normalization"),
    ),
)

BY_ANY_NAME = ByAnyName(_ROWS)
