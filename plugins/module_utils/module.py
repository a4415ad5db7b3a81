# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

"""AnsibleModule for options of tens of thousands of items: handed on as they came, neither copied nor logged whole.

What is here only saves time and memory: without any of it, or with a later AnsibleModule that goes other ways, modules
do the same.
"""

from __future__ import annotations

import gc
from typing import Any, Dict, List

from ansible.module_utils import basic

SHOWN_ITEMS = 100


def shortened(params: Dict[str, Any]) -> Dict[str, Any]:
    """The parameters with their long lists cut."""
    return {name: beginning(value) for name, value in params.items()}


def beginning(value: Any) -> Any:
    if not isinstance(value, list) or len(value) <= SHOWN_ITEMS:
        return value
    return value[:SHOWN_ITEMS] + ["... and %d more" % (len(value) - SHOWN_ITEMS)]


class Uncopied(List[Any]):
    """A list that a deep copy of what holds it leaves as it is."""

    def __deepcopy__(self, _memo: object) -> Uncopied:
        return self


class Shortening:
    """Stands in for the module ``copy`` while AnsibleModule keeps a deep copy of the parameters, which since
    ansible-core 2.19 it does for the sake of one setting of its own among them."""

    deepcopy = staticmethod(shortened)


class LvsModule(basic.AnsibleModule):
    params: Dict[str, Any]

    def _load_params(self) -> None:
        # Parameters and states are many small objects without cycles: looking for some finds none, at a price.
        gc.disable()
        whole_copy = getattr(basic, "copy", None)
        basic.copy = Shortening
        try:
            super()._load_params()
        finally:
            basic.copy = whole_copy
        self.params = {
            name: Uncopied(value) if isinstance(value, list) else value for name, value in self.params.items()
        }

    def _log_invocation(self) -> None:
        whole = self.params
        self.params = shortened(whole)
        super()._log_invocation()
        self.params = whole

    def let_go(self) -> None:
        """Give back the memory of long lists, once they are understood: from now on they are only shown."""
        self.params = shortened(self.params)
        validated = self.validation_result.validated_parameters
        validated.update(shortened(validated))
