"""The bridge as a picture: runs of equal blocks, boxes on lanes of resolution, DOT text, and the rendered file."""
