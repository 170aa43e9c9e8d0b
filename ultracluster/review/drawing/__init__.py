"""A topology as a picture: SVG with its own layout, Mermaid, and words."""
