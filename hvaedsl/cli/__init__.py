"""The command line: one thin file a command. Each parses its arguments, calls the compiler, and prints."""
