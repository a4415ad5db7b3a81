# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock that keeps two runs on one host apart."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.lulab.lvs.plugins.module_utils.errors import LvsError
from ansible_collections.lulab.lvs.plugins.module_utils.kernel.host import locked


def test_a_second_run_gives_up_in_words_when_the_time_is_up() -> None:
    with (
        locked(),
        pytest.raises(LvsError, match="another run has held .*lock for 0.2 s: wait for it to end"),
        locked(0.2),
    ):
        pytest.fail("both hold the lock")


def test_a_second_run_waits_for_the_first() -> None:
    begun, order = threading.Event(), []

    def second() -> None:
        begun.set()
        with locked():
            order.append("second")

    with locked():
        thread = threading.Thread(target=second)
        thread.start()
        begun.wait()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
