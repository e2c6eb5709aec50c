"""Pictures of a bridge: runs of equal blocks, boxes on resolution lanes, DOT text, and image files."""
