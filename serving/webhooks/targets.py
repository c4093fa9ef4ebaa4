"""The targets of `[webhooks]` made ready to be sent to: their URL read, their secrets at hand."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from features.settings import Webhooks, WebhookTarget
from serving.webhooks.addresses import Allowed, RefusedTargetError
from serving.webhooks.target_url import Place, place


class Ready(NamedTuple):
    """A target that can be sent to."""

    name: str
    place: Place
    secrets: tuple[bytes, ...]


def ready(name: str, webhooks: Webhooks, environment: Mapping[str, str] = os.environ) -> Ready:
    """The target called `name`. Raises RefusedTargetError: no such target, a URL that is refused, no secret."""
    target = webhooks.targets.get(name)
    if target is None:
        known = ", ".join(webhooks.targets) or "none"
        raise RefusedTargetError(f"webhook target {name}: not in [webhooks.targets] of remora.toml; there: {known}")
    allowed = Allowed.of(webhooks.allow)
    try:
        return Ready(name, place(target.url, allowed), _secrets(target, environment))
    except RefusedTargetError as error:
        raise RefusedTargetError(*(f"[webhooks.targets.{name}] {each}" for each in error.problems)) from None


def _secrets(target: WebhookTarget, environment: Mapping[str, str]) -> tuple[bytes, ...]:
    given = environment.get(target.secret_env, "").split(",")
    found = tuple(secret.strip().encode() for secret in given if secret.strip())
    if not found:
        raise RefusedTargetError(
            f"secret_env: the variable {target.secret_env} holds no secret; set it to a long random text"
        )
    return found
