import uses
import sizes
from asking import ask
from sizes import LATE, MESH

sizes.SMALL = sizes.make()
ask(sizes.SMALL)  # -> ?
ask(uses.moved)  # -> ?
ask(uses.local)  # -> ?
ask(uses.MESH)  # -> ?
MESH = sizes.make()
ask(MESH)  # -> ?
