# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

from typing import Any, Dict, Mapping, NoReturn

from ansible.module_utils.common.arg_spec import ValidationResult

# The module `copy` as AnsibleModule sees it.
copy: Any

class AnsibleModule:
    params: Dict[str, Any]
    check_mode: bool
    _diff: bool
    validation_result: ValidationResult
    def __init__(self, argument_spec: Mapping[str, Any], *, supports_check_mode: bool = ..., **rules: Any) -> None: ...
    def _load_params(self) -> None: ...
    def _log_invocation(self) -> None: ...
    def exit_json(self, **result: Any) -> NoReturn: ...
    def fail_json(self, msg: str, **result: Any) -> NoReturn: ...
    def warn(self, warning: str) -> None: ...
