"""The rules: what engines require of a model and a mesh, one pure function for each requirement."""
