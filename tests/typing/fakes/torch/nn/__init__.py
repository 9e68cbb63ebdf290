from torch.nn.modules import Embedding as Embedding, Linear as Linear, Module as Module, ModuleList as ModuleList
