"""One rule for all property tests: the same examples every time, unless many are asked for.

`HYPOTHESIS_PROFILE=thorough` draws new ones and more of them; a failure there becomes an example
here.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

import backprop_cli.rules.activations  # noqa: F401 - formulas may call every activation

settings.register_profile(
    "steady",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=(HealthCheck.too_slow,),
)
settings.register_profile("thorough", deadline=None, suppress_health_check=(HealthCheck.too_slow,))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
