# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: The lulab.lvs founders
"""What goes wrong, said in one line with its remedy."""

from __future__ import annotations


class LabError(Exception):
    """An error whose text is all that a user needs to read."""
