"""How many examples: few and always the same by default, many and new with HYPOTHESIS_PROFILE=long."""

import os

from hypothesis import HealthCheck, Phase, settings

SLOW = (HealthCheck.too_slow, HealthCheck.data_too_large)

settings.register_profile(
    "short",
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=SLOW,
    phases=(Phase.explicit, Phase.generate),  # a failure is shown as found; the long profile shrinks it
)
settings.register_profile("long", max_examples=400, deadline=None, print_blob=True, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "short"))
