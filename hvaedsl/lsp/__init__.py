"""The language server: pure functions on an analysed document, one file a feature, and `server`, which wires them.

Nothing here imports torch, runs a spec's own parts, or writes to standard output, which belongs to the protocol.
"""
