"""AST to resolved spec to bridge: inheritance, constants, defaults, overrides."""
