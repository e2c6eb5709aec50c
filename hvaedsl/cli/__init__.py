"""The command line: one small file per command. Each parses its arguments, calls the compiler, and prints."""
