"""The language server: a file of pure functions for each feature, and `server`, which connects them to the protocol.

Nothing here imports torch, imports custom parts, or writes to standard output, which belongs to the protocol.
"""
