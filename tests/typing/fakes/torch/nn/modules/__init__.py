from .container import ModuleList as ModuleList
from .linear import Linear as Linear
from .module import Module as Module
from .sparse import Embedding as Embedding
