# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual services and real servers in the running kernel: read, and changed."""

from __future__ import annotations

import errno
import os
import subprocess
from contextlib import contextmanager, nullcontext
from typing import Any, Callable, Collection, Dict, Iterator, Mapping, Optional, Sequence, Tuple, Union

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError, Refused, Unsupported, errno_words
from ansible_collections.lulab.lvs.plugins.module_utils.kernel import ipvs_codec as codec
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.ipvs_sockopt import Glance
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.netlink import (
    NETLINK_GENERIC,
    NLM_F_DUMP,
    Malformed,
    Message,
    Netlink,
    NetlinkError,
    generic_body,
    generic_family,
)
from ansible_collections.lulab.lvs.plugins.module_utils.model.ipvs import (
    Server,
    Service,
    ServiceKey,
    host_port,
    service_words,
)
from ansible_collections.lulab.lvs.plugins.module_utils.plan import Change

NO_IPVS = (
    "this kernel has no ip_vs (%s), which virtual services are made of: load it with 'modprobe ip_vs'; where there is "
    "no such module, install the package that holds it (Debian: linux-image-amd64 in place of the -cloud kernel, "
    "RHEL: kernel-modules-core), or let the role lulab.lvs.node do both"
)
NO_PRIVILEGE = (
    "ip_vs obeys the machine's own root only, with CAP_NET_ADMIN in the initial user namespace: the root of a rootless "
    "container or of another user namespace has no access to it; run this on the machine itself"
)
# Asking for each service by itself beats looking at a whole table of others' up to about here.
ASK_SINGLY = 64

GONE = "it is gone: another program removed it in the meantime; run again"
THERE = "it is there already: another program made it in the meantime; run again"
NO_SERVICE = "its virtual service is gone: another program removed it in the meantime; run again"

REASONS: Mapping[Tuple[str, int], str] = {
    ("service", errno.EPERM): NO_PRIVILEGE,
    ("service", errno.EEXIST): THERE,
    ("service", errno.ESRCH): GONE,
    ("service", errno.EAFNOSUPPORT): "this kernel's ip_vs has no support for its address family",
    ("service", errno.EINVAL): "an option is not one that this kernel's ip_vs takes",
    ("server", errno.EPERM): NO_PRIVILEGE,
    ("server", errno.EEXIST): THERE,
    ("server", errno.ESRCH): NO_SERVICE,
    ("server", errno.ENOENT): GONE,
    ("server", errno.EAFNOSUPPORT): "this kernel's ip_vs has no support for its address family",
    ("server", errno.EINVAL): (
        "its address must be unicast (and not an IPv6 link-local one), and of the service's address family unless it "
        "is tunneling; with a sync daemon running, tunneling too keeps to one family; in a network namespace that "
        "never had an interface up, not even its loopback, the kernel takes no address at all"
    ),
    ("server", errno.ERANGE): "its weight or a threshold is out of the range that this kernel takes",
}


class Ipvs:
    """Questions to ip_vs over ``link``; ``family`` is its number there."""

    def __init__(self, link: Netlink, family: int) -> None:
        self.link = link
        self.family = family

    def message(self, command: int, *attributes: bytes) -> Message:
        return self.family, 0, generic_body(command, codec.VERSION, *attributes)

    def dump(self, command: int, *attributes: bytes) -> Iterator[bytes]:
        return self.link.get(self.family, generic_body(command, codec.VERSION, *attributes), NLM_F_DUMP)

    def services(self) -> Iterator[Tuple[ServiceKey, Service]]:
        for body in self.dump(codec.GET_SERVICE):
            yield codec.decoded_service(body)

    def service(self, key: ServiceKey) -> Optional[Service]:
        body = generic_body(codec.GET_SERVICE, codec.VERSION, codec.service_name(key))
        try:
            replies = list(self.link.get(self.family, body))
        except NetlinkError as refusal:
            # A kernel whose IPv6 is switched off has no service of that family either.
            if refusal.errno in (errno.ESRCH, errno.EAFNOSUPPORT):
                return None
            raise
        return codec.decoded_service(replies[0])[1] if replies else None

    def servers(self, key: ServiceKey) -> Iterator[Tuple[Tuple[str, int], Server]]:
        for body in self.dump(codec.GET_DEST, codec.service_name(key)):
            yield codec.decoded_server(body, key)

    def connections(self, key: ServiceKey) -> Dict[Tuple[str, int], int]:
        """Of each real server of the service, its active connections."""
        return dict(codec.decoded_connections(body, key) for body in self.dump(codec.GET_DEST, codec.service_name(key)))


@contextmanager
def conversation() -> Iterator[Ipvs]:
    """With ip_vs, which is loaded for it, in the network namespace that the process is in when it begins.

    Raises ``LvsError``, ``Unsupported`` among them, for what goes wrong.
    """
    try:
        with Netlink(NETLINK_GENERIC) as link:
            yield Ipvs(link, family_number(link))
    except NetlinkError as refusal:  # of a question: those of changes are handed on, not raised
        if refusal.errno == errno.EPERM:
            raise Unsupported(NO_PRIVILEGE) from refusal
        raise LvsError("ip_vs does not tell what it has: %s" % errno_words(refusal.errno or 0)) from refusal
    except (OSError, Malformed) as error:
        raise LvsError("the conversation with ip_vs broke off: %s; run again" % error) from error


def family_number(link: Netlink) -> int:
    """The kernel loads ip_vs when its family is asked for; a kernel that does not is helped by modprobe."""
    try:
        return generic_family(link, codec.FAMILY)
    except NetlinkError as missing:
        if missing.errno != errno.ENOENT:
            raise
    said = modprobe("ip_vs")
    try:
        return generic_family(link, codec.FAMILY)
    except NetlinkError:
        raise Unsupported(NO_IPVS % (said or "modprobe says that it is there")) from None


def is_loaded() -> bool:
    """Whether the kernel has ip_vs now: who only asks what there is does not have it loaded."""
    return os.path.exists("/proc/net/ip_vs")


def require_ip_vs() -> None:
    """Raise ``Unsupported`` unless ip_vs is there or can be loaded, which it is not yet.

    Where modprobe knows of none, the kernel has the last word, and with it loads what it has after all: the modules
    of a container's host are not seen from inside.
    """
    if not is_loaded() and modprobe("--dry-run", "ip_vs"):
        with conversation():
            pass


def modprobe(*arguments: str) -> str:
    """What it said against it, in words; empty when it did what it was told."""
    try:
        process = subprocess.run(
            ["modprobe", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "modprobe cannot be run: %s" % error
    if process.returncode == 0:
        return ""
    return process.stderr.strip().replace("\n", "; ") or "modprobe exited with %d" % process.returncode


def read(
    keys: Collection[ServiceKey], also: Optional[Callable[[ServiceKey], bool]] = None
) -> Dict[Tuple[str, Any], Union[Service, Server]]:
    """The state of the named services, and of those that ``also`` picks out. Does not load ip_vs for it."""
    if not is_loaded():
        return {}
    named = frozenset(keys)
    state: Dict[Tuple[str, Any], Union[Service, Server]] = {}
    with conversation() as ipvs:
        if also is None and len(named) <= ASK_SINGLY:
            asked = ((key, ipvs.service(key)) for key in named)
            found = [(key, service) for key, service in asked if service]
        else:
            found = [
                (key, service) for key, service in ipvs.services() if key in named or also is not None and also(key)
            ]
        with Glance() if len(found) > ASK_SINGLY else nullcontext() as glance:
            for key, service in found:
                state["service", key] = service
                told = glance.servers(key) if glance else None
                for (address, port), server in ipvs.servers(key) if told is None else told:
                    state["server", (key, address, port)] = server
    return state


def apply(changes: Sequence[Change]) -> None:
    """Carry out ``changes`` in order. Raises ``Refused``."""
    if not changes:
        return
    with conversation() as ipvs:
        answers = ipvs.link.transact(ipvs.message(*codec.request(change)) for change in changes)
    refusal = next(((change, answer) for change, answer in zip(changes, answers) if answer), None)
    if refusal:
        done = [change for change, answer in zip(changes, answers) if answer is None]
        raise Refused(refusal[0], reason_of(*refusal), done)


def object_words(change: Change) -> str:
    key: Any = change.key
    if change.kind == "service":
        return "virtual service %s" % service_words(key)
    service, address, port = key
    return "real server %s of virtual service %s" % (host_port(address, port), service_words(service))


def reason_of(change: Change, refusal: NetlinkError) -> str:
    """What was refused, what the kernel said, and what to do."""
    number = refusal.errno or 0
    verb = "remove" if change.removes else "add" if change.creates else "change"
    if change.kind == "service" and number == errno.ENOENT:
        advice = missing_module(change.after)
    else:
        advice = REASONS.get((change.kind, number), refusal.words or "no further reason was given")
    return "cannot %s %s: %s (%s)" % (verb, object_words(change), advice, errno_words(number))


def missing_module(service: Service) -> str:
    """The kernel does not say which of the two names it could not find a module for."""
    words = "this kernel has no scheduler '%s'; its module is ip_vs_%s" % (service.scheduler, service.scheduler)
    if service.engine:
        words += ", or no persistence engine '%s'; its module is ip_vs_pe_%s" % (service.engine, service.engine)
    return words
