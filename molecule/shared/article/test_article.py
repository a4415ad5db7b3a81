# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The experiment is built: hosts print what the article prints, line for line."""

from __future__ import annotations

import re

import pytest

from labs import HOSTS

PARTS = ("nat", "ipvs", "sets", "addresses", "routes", "namespaces", "paths")


@pytest.mark.parametrize("part", PARTS)
def test_the_host_prints_the_articles_listing(state, article, part):
    assert state[part] == article[part]


def test_real_servers_take_turns(requests, article):
    for made in requests.values():
        answers = [request.answer for request in made]
        assert len(answers) == 4
        assert sorted(set(answers)) == article["answers"].splitlines()
        assert all(one != next_one for one, next_one in zip(answers, answers[1:])), answers


def test_real_servers_see_the_nodes_address(host, requests, article):
    node = HOSTS[host.backend.get_hostname()]
    servers = re.findall(r"-> (\S+):(\d+)", article["ipvs"])
    expected = {"src=%s dst=%s sport=%s" % (address, node, port) for address, port in servers}
    for made in requests.values():
        assert {request.reply for request in made} == expected
