"""What a walk over the forward bodies remembers, and the hooks it offers on the way.

Names of modules are the paths of the walk: layer numbers are `*`, so one entry stands for every layer of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from meshfit.readers.source.flow_values import Value

__all__ = ["Recorder"]


@dataclass(eq=False, slots=True)
class Recorder:
    """The observations of one walk, each in the order it was first made."""

    linear_inputs: dict[tuple[str, frozenset[str]], None] = field(default_factory=dict)
    inplace: dict[str, None] = field(default_factory=dict)
    weight_reads: dict[str, None] = field(default_factory=dict)
    dataflow: dict[str, dict[str, None]] = field(default_factory=dict)
    tensor_faults: dict[tuple[str, str], None] = field(default_factory=dict)
    context_faults: dict[tuple[str, str], None] = field(default_factory=dict)
    attentions: dict[str, None] = field(default_factory=dict)
    incomplete: bool = False

    def changed_in_place(self, value: Value) -> None:
        """`value` shares memory with a module's output and is written to."""
        for path in sorted(value.alias):
            self.inplace[path] = None

    def weight_read(self, path: str) -> None:
        """A parameter of the module at `path` is read by another module."""
        self.weight_reads[path] = None

    def fed(self, path: str, labels: frozenset[str], *, linear: bool) -> None:
        """The module at `path`, which has parameters of its own, is fed by the outputs of `labels`."""
        if linear:
            outputs = frozenset(label for label in labels if label[0] != "$" and not label.startswith("param:"))
            self.linear_inputs[path, outputs] = None
        sources = self.dataflow.setdefault(path, {})
        for label in sorted(labels):
            name = label.removeprefix("param:")
            if name is not label and not path.startswith(name.rpartition(".")[0] + "."):
                continue
            if label[0] != "$" and name != path:
                sources[name] = None

    def tensor_fault(self, kind: str, where: str) -> None:
        """Something in a forward body breaks on sharded weights."""
        self.tensor_faults[kind, where] = None

    def context_fault(self, kind: str, where: str) -> None:
        """Something in a forward body breaks when the sequence is sharded."""
        self.context_faults[kind, where] = None
