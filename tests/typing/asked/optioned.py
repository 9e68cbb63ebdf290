import sys
from asking import ask
from own_meshes import make
import own_meshes

ask(make(tensor=8))  # -> tp=8,cp=?,dp_replicate=?,dp_shard=?,ep=?,pp=?,sp=?
ask(own_meshes.make("cuda", 8, stages=2))  # -> tp=8,pp=2,cp=?,dp_replicate=?,dp_shard=?,ep=?,sp=?
ask(make(tensor=len(sys.argv)))  # -> cp=?,dp_replicate=?,dp_shard=?,ep=?,pp=?,sp=?,tp=?
