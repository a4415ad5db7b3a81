# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fixtures for tests against a real kernel: a network namespace of the test's own."""

from __future__ import annotations

import itertools
import os
from typing import Iterator

import pytest

from harness import sh

_number = itertools.count()


@pytest.fixture
def netns() -> Iterator[str]:
    """A fresh network namespace with its loopback up; gone when the test ends."""
    name = "lvs-test-%d-%d" % (os.getpid(), next(_number))
    sh("ip netns add %s && ip -n %s link set lo up" % (name, name))
    yield name
    sh("ip netns delete %s" % name)
