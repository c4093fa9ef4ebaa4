"""How often a caller may ask: a token bucket a caller, kept as the one moment at which the bucket is full again."""

from serving.access.keys import LOCAL, Caller

_LEAST_BURST = 10.0


class RateLimits:
    """Limits of one worker out of `share`: each grants its part, so that all together never exceed the limit.

    A caller that keeps to one connection speaks to one worker, and has its part only. At once a caller may send what
    it may send in one second, or 10 requests, whichever is more, but never more than a minute's. A request that costs
    more than that passes when the bucket is full, and is paid for by a longer wait afterwards.
    """

    def __init__(self, default_per_minute: int, share: int = 1) -> None:
        self._default, self._share = default_per_minute, share
        self._full_at: dict[str, float] = {}

    def take(self, caller: Caller, n: int = 1, at: float = 0.0) -> float:
        """Take `n` requests at a monotonic moment (seconds): 0.0 when granted, else the seconds to wait.

        A refusal costs nothing. LOCAL has no limit.
        """
        if caller is LOCAL:
            return 0.0
        rate = (caller.per_minute or self._default) / (60.0 * self._share)
        burst = max(1.0, rate, min(60.0 * rate, _LEAST_BURST)) / rate
        full_at, cost = self._full_at.get(caller.actor, at), n / rate
        wait = full_at + min(cost, burst) - burst - at
        if wait > _ROUNDING:
            return wait
        self._full_at[caller.actor] = max(full_at, at) + cost
        return 0.0


_ROUNDING = 1e-6
"""Seconds by which sums of floats may miss: who waited as long as it was told is let in."""
