"""The typed IR: the resolved spec, its block lists, the bridge, and the shapes of all layers. Frozen, without torch."""
