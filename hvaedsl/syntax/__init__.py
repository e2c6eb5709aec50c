"""Text to AST: the grammars, the reader of files, the parser with its recovery, and the tree that it gives."""
