from .parallel_dims import ParallelDims as ParallelDims
