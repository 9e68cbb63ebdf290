"""Names handed on."""

from across.models import Net as Exported
from across.sizes import MESH as HANDED_ON

__all__ = ["HANDED_ON", "Exported"]
