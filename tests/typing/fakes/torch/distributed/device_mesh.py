__all__ = ["DeviceMesh", "init_device_mesh"]


class DeviceMesh:
    def __init__(
        self, device_type: str, mesh: object = None, *, mesh_dim_names: tuple[str, ...] | None = None
    ) -> None: ...

    @property
    def mesh_dim_names(self) -> tuple[str, ...] | None:
        return None

    def __getitem__(self, mesh_dim_names: str | tuple[str, ...]) -> "DeviceMesh":
        return self

    def size(self, mesh_dim: int | None = None) -> int:
        return 1


def init_device_mesh(
    device_type: str, mesh_shape: tuple[int, ...], *, mesh_dim_names: tuple[str, ...] | None = None
) -> DeviceMesh:
    return DeviceMesh(device_type, mesh_dim_names=mesh_dim_names)
