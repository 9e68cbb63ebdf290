"""Which meshes of a world a model fits, how far each axis goes, and which worlds a mesh fits."""
