"""Meshes written down in files of other programs: found, read and judged."""
