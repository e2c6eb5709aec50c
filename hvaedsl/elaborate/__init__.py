"""From the AST to the resolved spec and its bridge: inheritance, constants, overrides, defaults."""
