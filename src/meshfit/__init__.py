"""Can this model run on this mesh?"""
