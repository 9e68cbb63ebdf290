"""The atlas: what happened when the classes of transformers ran on small meshes, many `Evidence` in one file."""
