# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two ways to do the same work, timed in turn in one run: the ratio of their medians, and the table of all ratios."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Callable, Iterable, Optional, Sequence

RUNS = 5
HEADINGS = ("work", "against", "ours", "theirs", "ratio", "reach")


def nothing() -> None:
    """What a pair is prepared with that needs no preparation."""


def seconds(work: Callable[[], object]) -> float:
    begin = time.monotonic()
    work()
    return time.monotonic() - begin


@dataclass(frozen=True)
class Row:
    """A line of the table. ``reach``: the ratio, or the figure in the unit of ``ours``, to stay below.

    ``theirs`` is empty for a figure that stands alone, such as a peak of memory.
    """

    work: str
    against: str
    ours: Sequence[float]
    theirs: Sequence[float] = ()
    reach: Optional[float] = None
    unit: str = "s"

    def ratio(self) -> Optional[float]:
        return statistics.median(self.ours) / statistics.median(self.theirs) if self.theirs else None

    def cells(self) -> tuple[str, ...]:
        ratio = self.ratio()
        return (
            self.work,
            self.against,
            self._median(self.ours),
            self._median(self.theirs) if self.theirs else "",
            "" if ratio is None else format(ratio, ".2f"),
            "report" if self.reach is None else "%g or less" % self.reach,
        )

    def _median(self, values: Sequence[float]) -> str:
        return "%.3g %s" % (statistics.median(values), self.unit)


def timed(
    work: str,
    against: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    reach: Optional[float] = None,
    before: Callable[[], object] = nothing,
    runs: int = RUNS,
) -> Row:
    """Both in turn, ``runs`` times each, each after ``before``, which is not timed."""
    figures: tuple[list[float], list[float]] = ([], [])
    for _run in range(runs):
        for way, values in zip((ours, theirs), figures):
            before()
            values.append(seconds(way))
    return Row(work, against, *figures, reach=reach)


def table(rows: Iterable[Row]) -> str:
    """The rows under their headings, in columns as wide as need be."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)
