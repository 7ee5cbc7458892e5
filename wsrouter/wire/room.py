"""Whether there is room for one more connection: in the server, in its route, for its address and for its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wsrouter.access.addresses import address_group
from wsrouter.api.causes import Reason
from wsrouter.api.ports import Refusal

if TYPE_CHECKING:
    from wsrouter.pipeline.endpoint import Endpoint
    from wsrouter.pipeline.quarantine import Quarantine
    from wsrouter.wire.hub import Hub


def find_refusal(hub: Hub, endpoint: Endpoint, client: str, user: str | None) -> Refusal | None:
    """Why one more connection has no room; None where it has."""
    server, route = hub.limits, endpoint.settings.limits
    most = server.connections_per_address
    if most and hub.by_address.get(address_group(client), 0) >= most:
        return Refusal(Reason.TOO_MANY, fix=f"server.limits.connections_per_address is {most}")
    most = route.connections_per_user
    if most and user is not None and hub.census.of_user(endpoint.route, user) >= most:
        return Refusal(Reason.TOO_MANY, fix=f"limits.connections_per_user of {endpoint.route} is {most}")
    if server.connections != "auto" and len(hub.connections) >= server.connections:
        return Refusal(Reason.FULL, fix=f"server.limits.connections is {server.connections}")
    most = route.connections
    if most and hub.census.of_route(endpoint.route) >= most:
        return Refusal(Reason.FULL, fix=f"limits.connections of {endpoint.route} is {most}")
    if hub.overload.is_on:
        hub.overload.refused += 1
        return Refusal(Reason.OVERLOAD, hub.overload.why, "overload.began says what to do")
    if hub.draining or not endpoint.accepts:
        return Refusal(Reason.DRAINING)
    return _refuse_quarantined(endpoint.quarantine)


def _refuse_quarantined(quarantine: Quarantine | None) -> Refusal | None:
    """Keeps newcomers out of a route that fails too often, and says when to come again."""
    if quarantine is None or not quarantine.is_on:
        return None
    fix = "mend the handler: handler.quarantined and handler.failed of this route say where it fails"
    return Refusal(Reason.QUARANTINED, fix=fix, headers=(("Retry-After", str(quarantine.retry_after_s())),))
