from typing import Any


class GenerationMixin:
    def generate(self, inputs: Any = None, **kwargs: Any) -> Any: ...
