"""From text to the AST: reading files, the grammar, the parser with error recovery, and the nodes."""
