"""Names handed on."""

import enum
from sizes import MESH as HANDED_ON
