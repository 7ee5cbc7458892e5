"""Room for one more connection: in its route and for its user, on reload, and when to come again."""

from __future__ import annotations

from types import SimpleNamespace

from support.wire import EchoEndpoint, ManualLoop, Notes, Wire, make_hub
from wsrouter.api.causes import Reason
from wsrouter.config.settings import Limits, RouteSettings, ServerLimits
from wsrouter.wire.census import Census
from wsrouter.wire.room import find_refusal


def guest(route="/a", user=None):
    return SimpleNamespace(route=route, user=user)


def house(server=None, **limits):
    hub = make_hub(ManualLoop(), Notes(), server or ServerLimits())
    return hub, EchoEndpoint(RouteSettings(limits=Limits(**limits)))


def test_a_census_counts_routes_and_users_and_forgets_who_is_gone():
    census = Census()
    guests = [guest(), guest(user="ann"), guest(user="ann"), guest("/b", "ann")]
    for each in guests:
        census.added(each)
    assert (3, 1, 0) == (census.of_route("/a"), census.of_route("/b"), census.of_route("/c"))
    assert (2, 1, 0) == (census.of_user("/a", "ann"), census.of_user("/b", "ann"), census.of_user("/a", "bob"))
    for each in guests:
        census.removed(each)
    assert 0 == len(census._routes) == len(census._users)


def test_a_full_route_refuses_with_503_and_names_the_setting():
    hub, endpoint = house(connections=2)
    for _ in range(2):
        assert find_refusal(hub, endpoint, "192.0.2.1", None) is None
        hub.census.added(guest("/"))
    refusal = find_refusal(hub, endpoint, "192.0.2.1", None)
    assert (Reason.FULL, "limits.connections of / is 2") == (refusal.reason, refusal.fix)
    assert find_refusal(hub, EchoEndpoint(), "192.0.2.1", None) is None
    endpoint.settings = RouteSettings(limits=Limits(connections=3))  # as a reload does
    assert find_refusal(hub, endpoint, "192.0.2.1", None) is None


def test_a_user_with_too_many_connections_is_refused_with_429_and_others_are_not():
    hub, endpoint = house(connections_per_user=1)
    hub.census.added(guest("/", "ann"))
    hub.census.added(guest("/elsewhere", "bob"))
    refusal = find_refusal(hub, endpoint, "192.0.2.1", "ann")
    assert (Reason.TOO_MANY, "limits.connections_per_user of / is 1") == (refusal.reason, refusal.fix)
    assert find_refusal(hub, endpoint, "192.0.2.1", "bob") is None
    assert find_refusal(hub, endpoint, "192.0.2.1", None) is None


def test_an_ipv6_client_counts_by_its_64():
    hub, endpoint = house(ServerLimits(connections_per_address=1))
    hub.by_address["2001:db8:0:1::/64"] = 1
    assert Reason.TOO_MANY is find_refusal(hub, endpoint, "2001:db8:0:1:ffff::1", None).reason
    assert find_refusal(hub, endpoint, "2001:db8:0:2::1", None) is None


def test_while_it_drains_and_on_a_route_that_is_on_its_way_out_nobody_comes_in():
    hub, endpoint = house()
    hub.draining = True
    assert Reason.DRAINING is find_refusal(hub, endpoint, "192.0.2.1", None).reason
    hub.draining = False
    endpoint.accepts = False
    assert Reason.DRAINING is find_refusal(hub, endpoint, "192.0.2.1", None).reason
    endpoint.accepts = True
    assert find_refusal(hub, endpoint, "192.0.2.1", None) is None


def test_connections_are_counted_from_their_opening_until_they_are_gone():
    wire = Wire()
    assert 1 == wire.hub.census.of_route("/")
    wire.transport.hang_up()
    wire.settle()
    assert 0 == wire.hub.census.of_route("/")
