"""Who a client is: `User`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who is known. `claims` is what is known of them; `expires_at` when that ends, in seconds since the epoch."""

    name: str
    claims: Mapping[str, object] = field(default_factory=dict)
    expires_at: float | None = None
