from .utils import GenerationMixin as GenerationMixin
