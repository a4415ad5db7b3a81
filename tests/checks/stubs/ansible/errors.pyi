# SPDX-FileCopyrightText: The lulab.lvs founders
# SPDX-License-Identifier: GPL-3.0-or-later

class AnsibleError(Exception):
    def __init__(self, message: str = ...) -> None: ...

class AnsibleFilterError(AnsibleError): ...
