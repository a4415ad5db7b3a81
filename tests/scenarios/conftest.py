# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""A lab for a file of tests."""

from __future__ import annotations

from typing import Iterator

import pytest

from labs import CHECKOUT, HOSTS, Lab, start, stop


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A fresh lab of two guests; gone when the module's tests are."""
    directory = tmp_path_factory.mktemp("lab")
    try:
        start(directory, HOSTS)
        yield Lab(directory, (CHECKOUT / "inventory/lab",))
    finally:
        stop(directory)
