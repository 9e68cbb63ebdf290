"""Like the real one without `py.typed`: for a type checker everything in it is Any."""

from .parallelism_config import ParallelismConfig as ParallelismConfig
