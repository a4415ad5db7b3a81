# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a user wrote about virtual services, made into what is wanted; or the one word that cannot be meant."""

from __future__ import annotations

import ipaddress
import re
import socket
from functools import lru_cache
from typing import Any, Dict, FrozenSet, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import (
    CHECKSUM_SWITCH,
    DEFAULT_PROTOCOL,
    DEFAULT_SCHEDULER,
    DEFAULT_TIMEOUT,
    FAMILIES,
    FLAG_BITS,
    PROTOCOLS,
    WHOLE_ADDRESS,
    Server,
    Service,
    ServiceKey,
    address_family,
    flag_bits,
    service_words,
)

Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]
Options = Mapping[str, Any]

FORWARDS = ("masquerading", "direct", "tunneling")
TUNNELS = ("ipip", "gue", "gre")
CHECKSUMS = tuple(CHECKSUM_SWITCH)
# As ipvsadm: what it cannot type is not accepted either.
MAX_WEIGHT = 65535
MAX_THRESHOLD = 2**31 - 1
MAX_TIMEOUT = 31 * 86400
TRUTHS: Dict[Any, bool] = {
    **dict.fromkeys(("true", "yes", "on", "y", "t", "1", 1), True),
    **dict.fromkeys(("false", "no", "off", "n", "f", "0", 0, None), False),
}
NAME = re.compile(r"[a-z0-9_-]{1,15}\Z")
# None of them has more digits, and Python does not read numbers of thousands.
DIGITS = re.compile(r"\s*[0-9]{1,20}\s*\Z")

SERVER_OPTIONS = frozenset(("address", "port", "weight", "forward", "upper_threshold", "lower_threshold", "tunnel"))
PERSISTENCE_OPTIONS = frozenset(("timeout", "netmask", "engine"))
TUNNEL_OPTIONS = frozenset(("type", "port", "checksum"))
SERVICE_OPTIONS = frozenset(
    ("address", "port", "protocol", "fwmark", "family", "scheduler", "scheduler_flags")
    + ("persistence", "one_packet", "servers")
)


class Wanted(NamedTuple):
    """A declared service. ``servers`` None: whatever servers it has are left as they are."""

    service: Service
    servers: Optional[Dict[Tuple[str, int], Server]]


def given(options: Options, name: str) -> bool:
    return options.get(name) is not None


def path(prefix: str, name: str) -> str:
    return "%s.%s" % (prefix, name) if prefix else name


def whole(value: Any, where: str, low: int, high: int) -> int:
    """``value`` as an integer from ``low`` to ``high``."""
    number = value
    if isinstance(value, str) and DIGITS.match(value):
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise BadInput(where, value, "a whole number from %d to %d is needed" % (low, high))
    return number


def truth(value: Any, where: str) -> bool:
    """``value`` as Ansible understands a boolean."""
    try:
        return TRUTHS[value.lower() if isinstance(value, str) else value]
    except (KeyError, TypeError):
        raise BadInput(where, value, "true or false is needed") from None


def members(value: Any, where: str) -> Sequence[Any]:
    """``value`` as a list; None is an empty one."""
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise BadInput(where, value, "a list is needed")
    return value


def one_of(value: Any, where: str, choices: Sequence[str]) -> str:
    if value not in choices:
        raise BadInput(where, value, "one of %s is needed" % ", ".join(choices))
    return str(value)


def choice(options: Options, name: str, where: str, choices: Sequence[str], default: str) -> str:
    value = options.get(name)
    return default if value is None else one_of(value, path(where, name), choices)


def module_name(options: Options, name: str, where: str, what: str, default: str) -> str:
    """What the kernel makes the name of one of its modules of."""
    value = options.get(name)
    if value is None:
        return default
    if not isinstance(value, str) or not NAME.match(value):
        words = "%s is needed: small letters, digits, '_' and '-', 15 at most" % what
        raise BadInput(path(where, name), value, words)
    return value


def canonical_address(value: Any, where: str) -> str:
    """The address as inet_ntop writes it."""
    try:
        if ":" in value:
            return socket.inet_ntop(socket.AF_INET6, socket.inet_pton(socket.AF_INET6, value))
        socket.inet_pton(socket.AF_INET, value)
        return str(value)  # there is one way only to write it
    except (OSError, TypeError, ValueError):
        raise BadInput(where, value, "an IPv4 or IPv6 address is needed, without prefix length or zone") from None


def unicast(value: Any, where: str) -> str:
    address = canonical_address(value, where)
    # The cheap look first: ipaddress is slow, and most addresses are ordinary.
    if address[0] not in "02:f":
        return address
    meant = ipaddress.ip_address(address)
    if meant.is_unspecified:
        raise BadInput(where, value, "an address of one host is needed, this one means 'any'")
    if meant.is_multicast or address == "255.255.255.255":
        raise BadInput(where, value, "an address of one host is needed, this one is for many")
    return address


def declared(options: Options, listed: Optional[Sequence[Options]], absent: bool = False) -> Dict[ServiceKey, Wanted]:
    """The services that the parameters declare, by key: the single form's, or those of the list.

    Of those that are to be ``absent`` only what names them matters.
    """
    parse = parse_named if absent else parse_service
    if listed is None:
        key, wanted = parse(options, "")
        return {key: wanted}
    extra = [name for name in sorted(SERVICE_OPTIONS) if given(options, name)]
    if extra:
        raise BadInput(extra[0], options[extra[0]], "with 'services', it belongs into the entries of that list")
    result: Dict[ServiceKey, Wanted] = {}
    places: Dict[ServiceKey, int] = {}
    for place, entry in enumerate(listed):
        where = "services[%d]" % place
        key, wanted = parse(entry, where)
        if key in places:
            words = "services[%d] declares the same virtual service already" % places[key]
            raise BadInput(where, service_words(key), words)
        places[key] = place
        result[key] = wanted
    return result


def known_options(options: Any, where: str, names: FrozenSet[str]) -> None:
    if not isinstance(options, dict):
        raise BadInput(where, options, "a dictionary is needed")
    unknown = options.keys() - names
    if where and unknown:
        name = min(str(name) for name in unknown)
        raise BadInput(path(where, name), options.get(name), "there is no such option; %s" % ", ".join(sorted(names)))


def parse_service(options: Options, where: str) -> Tuple[ServiceKey, Wanted]:
    known_options(options, where, SERVICE_OPTIONS)
    key = parse_key(options, where)
    service = parse_settings(options, where, key)
    listed = options.get("servers")
    servers = None if listed is None else parse_servers(listed, path(where, "servers"), key)
    return key, Wanted(service, servers)


def parse_named(options: Options, where: str) -> Tuple[ServiceKey, Wanted]:
    known_options(options, where, SERVICE_OPTIONS)
    return parse_key(options, where), Wanted(Service(), None)


def parse_key(options: Options, where: str) -> ServiceKey:
    if given(options, "fwmark"):
        return parse_mark(options, where)
    if not given(options, "address"):
        raise BadInput(path(where, "address"), None, "a virtual service is named by 'address' or by 'fwmark'")
    address = unicast(options["address"], path(where, "address"))
    family = address_family(address)
    if options.get("family") not in (None, family):
        raise BadInput(path(where, "family"), options["family"], "the address %s is of family %s" % (address, family))
    if not given(options, "port"):
        raise BadInput(path(where, "port"), None, "a virtual address needs a port (0: every port, if persistent)")
    port = whole(options["port"], path(where, "port"), 0, 65535)
    protocol = choice(options, "protocol", where, tuple(PROTOCOLS), DEFAULT_PROTOCOL)
    return ServiceKey(family, 0, protocol, address, port)


def parse_mark(options: Options, where: str) -> ServiceKey:
    for name in ("address", "port", "protocol"):
        if given(options, name):
            words = "a service named by 'fwmark' takes whatever bears the mark and has no %s of its own" % name
            raise BadInput(path(where, name), options[name], words)
    mark = whole(options["fwmark"], path(where, "fwmark"), 1, 2**32 - 1)
    return ServiceKey(choice(options, "family", where, tuple(FAMILIES), "ipv4"), mark)


def parse_settings(options: Options, where: str, key: ServiceKey) -> Service:
    scheduler = module_name(options, "scheduler", where, "a scheduler's name, such as rr,", DEFAULT_SCHEDULER)
    flags = parse_flags(options.get("scheduler_flags"), path(where, "scheduler_flags"), scheduler)
    timeout, netmask, engine = parse_persistence(options.get("persistence"), path(where, "persistence"), key)
    one_packet = truth(options.get("one_packet"), path(where, "one_packet"))
    if one_packet and not key.fwmark and key.protocol != "udp":
        raise BadInput(path(where, "one_packet"), True, "one-packet scheduling is for udp and fwmark services only")
    if not key.fwmark and key.port == 0 and not timeout:
        raise BadInput(path(where, "port"), 0, "a service on every port must be persistent: give 'persistence'")
    return Service(scheduler, flags, timeout, netmask, engine, one_packet)


def parse_flags(names: Optional[Sequence[str]], where: str, scheduler: str) -> int:
    bits = {**FLAG_BITS, **flag_bits(scheduler)}
    result = 0
    for place, name in enumerate(members(names, where)):
        if not isinstance(name, str) or name not in bits:
            words = "the scheduler %s has %s" % (scheduler, ", ".join(bits))
            raise BadInput("%s[%d]" % (where, place), name, words)
        result |= bits[name]
    return result


def parse_persistence(options: Optional[Options], where: str, key: ServiceKey) -> Tuple[int, str, str]:
    """Timeout in seconds (0: not persistent), netmask, engine."""
    if options is None:
        return 0, "", ""
    known_options(options, where, PERSISTENCE_OPTIONS)
    timeout = DEFAULT_TIMEOUT
    if given(options, "timeout"):
        timeout = whole(options["timeout"], path(where, "timeout"), 1, MAX_TIMEOUT)
    netmask = WHOLE_ADDRESS[key.family]
    if given(options, "netmask"):
        netmask = parse_netmask(options["netmask"], path(where, "netmask"), key.family)
    return timeout, netmask, module_name(options, "engine", where, "a persistence engine's name, such as sip,", "")


def parse_netmask(value: Any, where: str, family: str) -> str:
    """Dotted for IPv4, a prefix length for IPv6; a prefix length is understood for both."""
    text = str(value)
    if family == "ipv6":
        return str(whole(text, where, 1, 128))
    if DIGITS.match(text):
        prefix = whole(text, where, 1, 32)
        return str(ipaddress.IPv4Address((0xFFFFFFFF << 32 - prefix) & 0xFFFFFFFF))
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise BadInput(where, value, "a netmask such as 255.255.255.0, or a prefix length, is needed") from None


def parse_servers(listed: Sequence[Options], where: str, key: ServiceKey) -> Dict[Tuple[str, int], Server]:
    result: Dict[Tuple[str, int], Server] = {}
    places: Dict[Tuple[str, int], int] = {}
    for place, entry in enumerate(members(listed, where)):
        here = "%s[%d]" % (where, place)
        name, server = parse_server(entry, here, key)
        if name in places:
            raise BadInput(
                here, "%s port %d" % name, "%s[%d] names the same real server already" % (where, places[name])
            )
        places[name] = place
        result[name] = server
    return result


def parse_server(options: Options, where: str, key: ServiceKey) -> Tuple[Tuple[str, int], Server]:
    known_options(options, where, SERVER_OPTIONS)
    address = unicast(options.get("address"), where + ".address")
    # What the user leaves out is the common case: look before calling.
    forward = options.get("forward")
    if forward is None:
        forward = "masquerading"
    elif forward not in FORWARDS:
        one_of(forward, where + ".forward", FORWARDS)
    port = options.get("port")
    port = key.port if port is None else whole(port, where + ".port", 0, 65535)
    weight = options.get("weight")
    weight = 1 if weight is None else whole(weight, where + ".weight", 0, MAX_WEIGHT)
    upper, lower = options.get("upper_threshold"), options.get("lower_threshold")
    upper = 0 if upper is None else whole(upper, where + ".upper_threshold", 0, MAX_THRESHOLD)
    lower = 0 if lower is None else whole(lower, where + ".lower_threshold", 0, MAX_THRESHOLD)
    if lower > upper:
        words = "the lower threshold may not be above the upper one (upper_threshold is %d)" % upper
        raise BadInput(where + ".lower_threshold", lower, words)
    if forward != "masquerading" and not key.fwmark and port != key.port:
        words = "a %s server keeps the service's port %d: only masquerading changes ports" % (forward, key.port)
        raise BadInput(where + ".port", port, words)
    if forward != "tunneling" and address_family(address) != key.family:
        words = "the service is %s, and only 'forward: tunneling' crosses address families" % key.family
        raise BadInput(where + ".address", address, words)
    tunnel = parse_tunnel(options.get("tunnel"), where + ".tunnel", forward)
    return (address, port), alike(forward, weight, upper, lower, *tunnel)


# Most servers of a table are alike.
alike = lru_cache(maxsize=1024)(Server)


def parse_tunnel(options: Optional[Options], where: str, forward: str) -> Tuple[str, int, str]:
    """Type, port and checksum; a tunnel's defaults are also what a server without a tunnel holds."""
    if options is None:
        return "ipip", 0, "none"
    if forward != "tunneling":
        raise BadInput(where, options, "only a server with 'forward: tunneling' has a tunnel")
    known_options(options, where, TUNNEL_OPTIONS)
    kind = choice(options, "type", where, TUNNELS, "ipip")
    checksum = choice(options, "checksum", where, CHECKSUMS, "none")
    allowed = {"ipip": ("none",), "gre": ("none", "csum"), "gue": CHECKSUMS}[kind]
    if checksum not in allowed:
        raise BadInput(where + ".checksum", checksum, "a tunnel of type %s has %s" % (kind, " or ".join(allowed)))
    if kind != "gue":
        if given(options, "port"):
            raise BadInput(where + ".port", options["port"], "only a tunnel of type gue has a port")
        return kind, 0, checksum
    return kind, whole(options.get("port"), where + ".port", 1, 65535), checksum


def parse_scope(options: Options) -> List[Network]:
    """The networks inside which undeclared services are removed; none without ``prune``."""
    scope = options.get("scope") or []
    if not options.get("prune"):
        if scope:
            raise BadInput("scope", scope, "it bounds what 'prune: true' removes, and has no meaning without it")
        return []
    if not scope:
        raise BadInput("scope", scope, "'prune' removes services inside these networks only: at least one is needed")
    if options.get("state") == "absent":
        raise BadInput("prune", True, "it has no meaning with 'state: absent', which removes the named services")
    result = []
    for place, text in enumerate(scope):
        try:
            result.append(ipaddress.ip_network(text))
        except ValueError:
            words = "a network in CIDR form, host bits zero, is needed, such as 169.254.2.0/24"
            raise BadInput("scope[%d]" % place, text, words) from None
    return result


def inside_scope(key: ServiceKey, scope: Sequence[Network]) -> bool:
    """Whether the service's virtual address lies in one of ``scope``; a mark has no address."""
    if key.fwmark:
        return False
    address = ipaddress.ip_address(key.address)
    return any(address in network for network in scope)
