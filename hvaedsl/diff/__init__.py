"""The semantic diff: two programs -> a typed difference -> text, markdown, JSON, a picture. See docs/diff.md."""
