#!/usr/bin/python
# SPDX-FileCopyrightText: The lulab.lvs founders
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lvs_probe
short_description: Ask a virtual service and say which hop fails
version_added: 0.1.0
description:
  - Asks a virtual service over HTTP, from this host or from a network namespace on it, and checks every hop on the
    way in the order that a packet meets them. The virtual address, the real servers, the pods and the path to
    them, the service itself, the shares of the real servers, SNAT.
  - Fails at the first hop that is not as it should be, names it and says what to look at.
  - Reads only, apart from the traffic it sends.
author: The lulab.lvs founders (@lulab)
extends_documentation_fragment:
  - lulab.lvs.common.attributes
options:
  vip:
    description: The virtual address.
    type: str
    required: true
  port:
    description: The virtual port.
    type: int
    default: 80
  path:
    description: What to ask for.
    type: str
    default: /lu
  real_servers:
    description: The real servers that are declared.
    type: list
    elements: dict
    required: true
    suboptions:
      address:
        description: Its address.
        type: str
        required: true
      port:
        description: Its port.
        type: int
        required: true
      answer:
        description:
          - The first word of its answer.
          - Without it the server only has to answer, and what it says is looked for among the service's answers.
        type: str
  rounds:
    description: How often each real server's turn should come. Rounds times real servers is the number of requests.
    type: int
    default: 3
  even:
    description: Whether the shares must be even, give or take one, as those of the C(rr) scheduler are.
    type: bool
    default: true
  vantage:
    description: The network namespace to ask from. The default is the host's own.
    type: str
  snat:
    description: The node's address that the real servers should see. Without it SNAT is not checked.
    type: str
  keeps:
    description:
      - Networks whose packets keep their source, as O(lulab.lvs.lu_chains#module:outside) says. When we ask from one,
        the real servers should see that address and not O(snat).
      - When that address is a real server's as well, the service is not asked. A server that is sent to itself with its
        own source gets no answer.
    type: list
    elements: str
    default: []
  netns:
    description: Name of the network namespace that is the host's, as C(ip netns list) shows it.
    type: str
  ping:
    description: Addresses to ping from O(vantage).
    type: list
    elements: str
    default: []
  traces:
    description: Paths to follow from O(vantage). Each is the list of addresses that should answer hop by hop.
    type: list
    elements: list
    default: []
  patience:
    description: Seconds to wait for a real server to begin to answer.
    type: float
    default: 15
"""

EXAMPLES = r"""
- name: Check that both real servers get the same share
  lulab.lvs.lvs_probe:
    vip: 169.254.2.100
    real_servers:
      - {address: 10.130.17.30, port: 8888, answer: 10.130.17.30}
      - {address: 10.130.17.31, port: 8888, answer: 10.130.17.31}
    snat: 10.130.17.30
"""

RETURN = r"""
answers:
  description: The answers, in the order that they came.
  type: list
  elements: str
  returned: always
  sample: [10.130.17.31, 10.130.17.30]
shares:
  description: A line a real server with its share of the requests, to print.
  type: list
  elements: str
  returned: success
findings:
  description: What was seen at each hop, to print.
  type: list
  elements: str
  returned: always
  sample: ["ok   virtual address: 169.254.2.100 is on dummy-ipvs0"]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.lulab.lvs.plugins.module_utils.errors import BadInput, LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import inside, require_net_admin
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.probe import Probe, probe
from ansible_collections.lulab.lvs.plugins.module_utils.model.probe import (
    checked_address,
    checked_addresses,
    checked_traces,
    parse_networks,
    parse_servers,
)

SERVER_OPTIONS: dict[str, Any] = {
    "address": {"type": "str", "required": True},
    "port": {"type": "int", "required": True},
    "answer": {"type": "str"},
}
OPTIONS: dict[str, Any] = {
    "vip": {"type": "str", "required": True},
    "port": {"type": "int", "default": 80},
    "path": {"type": "str", "default": "/lu"},
    "real_servers": {"type": "list", "elements": "dict", "required": True, "options": SERVER_OPTIONS},
    "rounds": {"type": "int", "default": 3},
    "even": {"type": "bool", "default": True},
    "vantage": {"type": "str"},
    "snat": {"type": "str"},
    "keeps": {"type": "list", "elements": "str", "default": []},
    "ping": {"type": "list", "elements": "str", "default": []},
    "traces": {"type": "list", "elements": "list", "default": []},
    "patience": {"type": "float", "default": 15.0},
    "netns": {"type": "str"},
}


def build(params: dict[str, Any]) -> Probe:
    servers = parse_servers(params["real_servers"])
    if not servers:
        raise BadInput("real_servers", [], "name at least one")
    if params["rounds"] < 1:
        raise BadInput("rounds", params["rounds"], "give 1 or more")
    return Probe(
        vip=checked_address("vip", params["vip"]),
        port=params["port"],
        path=params["path"],
        servers=servers,
        requests=params["rounds"] * len(servers),
        even=params["even"],
        vantage=params["vantage"],
        node=None if params["snat"] is None else checked_address("snat", params["snat"]),
        keeps=parse_networks("keeps", params["keeps"]),
        pings=checked_addresses("ping", params["ping"]),
        traces=checked_traces(params["traces"]),
        patience=params["patience"],
    )


def main() -> None:
    module = AnsibleModule(OPTIONS, supports_check_mode=True)
    try:
        wanted = build(module.params)
        require_net_admin()
        with inside(module.params["netns"]):
            report = probe(wanted)
    except LvsError as error:
        module.fail_json(msg=str(error), **error.details)
    result = {
        "answers": report.answers,
        "shares": report.shares,
        "findings": [finding.line() for finding in report.findings],
    }
    failed = [finding for finding in report.findings if not finding.ok]
    if failed:
        module.fail_json(msg=failed[0].line(), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
