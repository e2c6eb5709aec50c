"""The keys of each section by name, from the annotations in `hvaedsl.ir.spec`."""

from __future__ import annotations

from hvaedsl.ir.spec import SECTIONS, keys

SCHEMA = {name: keys(section) for name, section in SECTIONS.items()}
TOP_LEVEL = tuple(name for name in SCHEMA if "." not in name)
