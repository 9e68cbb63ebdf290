from . import device_mesh as device_mesh
