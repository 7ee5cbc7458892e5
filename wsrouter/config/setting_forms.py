"""What the types of `settings` cannot say: short forms, texts with a grammar, keys that depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from wsrouter.api.options import OptionError
from wsrouter.config.address import parse_address
from wsrouter.config.auth_settings import Auth, Forward, Jwt, check_auth, check_jwt
from wsrouter.config.nodes import MappingNode, Node, ScalarNode, SequenceNode, is_nothing
from wsrouter.config.settings import Addresses, Admin, Listen, Plugins, Rate, RouteSettings, Server
from wsrouter.config.texts import (
    check_admin_address,
    check_admin_token,
    check_health_path,
    check_host,
    check_network,
    check_not_empty,
    check_origin,
    check_subprotocol,
    is_loopback,
)

SHORT: Final[dict[type, str]] = {Rate: "rate", Listen: "address", Plugins: "folders", Forward: "url", Admin: "address"}
"""Records that may be written as the value of one of their keys: `message_rate: 100/s` is `{rate: 100/s}`."""

TEXT_CHECKS: Final[dict[tuple[type, str], Callable[[str], object]]] = {
    (RouteSettings, "origins"): check_origin,
    (RouteSettings, "subprotocols"): check_subprotocol,
    (Addresses, "allow"): check_network,
    (Addresses, "deny"): check_network,
    (Server, "hosts"): check_host,
    (Server, "trusted_proxies"): check_network,
    (Listen, "address"): parse_address,
    (Server, "health"): check_health_path,
    (Plugins, "folders"): check_not_empty,
    (Admin, "address"): check_admin_address,
    (Admin, "token"): check_admin_token,
}
"""Each text of these keys is checked; a ValueError says what is wrong with it."""


def expand(record: type, node: Node) -> Node:
    """A record's short form as the mapping that it stands for; nothing at all as an empty mapping."""
    if isinstance(node, MappingNode):
        return node
    if is_nothing(node):
        return MappingNode(node.place, ())
    name = SHORT.get(record)
    if name is None or (isinstance(node, SequenceNode) and record is not Plugins):
        return node
    if record is Plugins and isinstance(node, ScalarNode):
        node = SequenceNode(node.place, (node,))
    if record in {Listen, Admin} and isinstance(node, ScalarNode):
        node = ScalarNode(node.place, node.text, node.text, node.plain, node.written)  # a port alone is a number to YAML
    return MappingNode(node.place, ((ScalarNode(node.place, name, name, plain=True), node),))


def check_listen(listen: Listen) -> None:
    """Keys of a listener that depend on its address.

    Raises:
        OptionError: for a mode or group of a TCP address.
    """
    for name in ("mode", "group"):
        if getattr(listen, name) is not None and not listen.address.startswith("unix:"):
            raise OptionError(f"{name} belongs to a Unix socket, and {listen.address} is none: delete it, or write address: unix:/path", name)


def check_server(server: Server) -> None:
    """Listeners that nobody could connect to.

    Raises:
        OptionError: for `proxy_protocol` without a proxy.
    """
    for listen in server.listen:
        if listen.proxy_protocol is not None and not server.trusted_proxies:
            raise OptionError(f"proxy_protocol on {listen.address} lets nobody in: write trusted_proxies: [10.0.0.5], the address of your proxy", "listen")


def check_admin(admin: Admin) -> None:
    """Whoever can reach the private side over a network must show a token.

    Raises:
        OptionError: if none is given where one is needed, or one without an address.
    """
    if admin.address is None:
        if admin.token is not None:
            raise OptionError("admin: a token without an address: add address: 127.0.0.1:9464, the Unix socket needs none", "token")
        return
    if admin.token is None and not all(is_loopback(host) for host in parse_address(admin.address).hosts):
        raise OptionError(f"admin: {admin.address} can be reached from outside: give a token ({{address: ..., token: ...}}), or listen on 127.0.0.1", "address")


RECORD_CHECKS: Final[dict[type, Callable[..., None]]] = {Admin: check_admin, Listen: check_listen, Server: check_server, Auth: check_auth, Jwt: check_jwt}
"""Each record of these types is checked as a whole."""
