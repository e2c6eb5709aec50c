"""The typed IR: the resolved spec, its block lists, the bridge, and the shapes of every layer. All frozen, no torch."""
