"""Every kind of diagnostic, by code: HV1xx syntax, HV2xx names and values, HV3xx resolutions, HV4xx weight sharing,
HV5xx advice on the model, HV6xx on the training. Wording lives here; the checks that find something live elsewhere.
"""

from __future__ import annotations

from types import MappingProxyType

from hvaedsl.catalog import advice, names, own_parts, resolutions, sharing, suppressions, switches, syntax
from hvaedsl.diagnostic import Diagnostic

_MODULES = (syntax, names, own_parts, resolutions, switches, sharing, suppressions)
KINDS: MappingProxyType[str, type[Diagnostic]] = MappingProxyType(
    {kind.code: kind for module in _MODULES for kind in module.KINDS} | {kind.code: kind for kind in advice.kinds()}
)
