"""What breaks when transformers runs a model's forward in pipeline stages, found in its source.

transformers 5.23, `distributed/pipeline_parallel.py`: every stage keeps the whole model, with the layers it does not
own, and `embed_tokens`, `norm` and `lm_head` where they are not its own, replaced by identities. The first stage gets
`input_ids`; a later one gets what arrived as `inputs_embeds`. Each stage but the last runs the base model and sends
`last_hidden_state`; the last runs the model. So the same body must mean the same in each stage. Kinds of fault:

==============================  ===========  =========================================================================
kind                            consequence  cause
==============================  ===========  =========================================================================
``rescales-embeddings``         silent       a scale other than 1 on hidden states before the layers, in every stage
``normalises-embeddings``       silent       a norm there
``adds-to-embeddings``          silent       a sum there (positions, token types, a bias)
``projects-embeddings``         silent       a linear layer there; late where it changes the width
``slices-embeddings``           late         a slice there
``overwrites-embeddings``       silent       an assignment into the tensor there
``transforms-embeddings``       silent       anything else there
``…-hidden-between-layers``     silent       the same first words, on the hidden state between two layers
``…-hidden-after-layers``       silent       the same first words, after the layers, beside the module named `norm`
``unpacks-layer-output``        late         a layer's result is unpacked: a replaced layer returns the bare tensor
``indexes-layer-output``        late         a layer's result is indexed, which cuts the batch of a bare tensor
``reads-layer-attribute``       late         an attribute of a layer that a replaced layer does not have
``reads-embedding-attribute``   late         an attribute of `embed_tokens`, replaced in all but the first stage
``reads-norm-attribute``        late         an attribute of `norm`, replaced in all but the last stage
``reads-head-attribute``        late         an attribute of `lm_head`, replaced in all but the last stage
``layer-input-not-first``       silent       the hidden state is not a layer's first argument, which an identity returns
``repeats-layers``              silent       the layers run more than once: a stage only repeats its own
``layers-read-embeddings``      silent       a layer gets the embeddings beside the hidden state
``shares-state-across-layers``  silent       a layer gets what another layer made beside the hidden state
``needs-input-ids``             late         something beside the embedding is computed from `input_ids`
``embeds-outside-base``         silent       the head changes embeddings before the base model, which early stages call
``refuses-inputs-embeds``       late         a forward without the parameter `inputs_embeds`
``refuses-argument``            late         the base forward lacks a parameter of the model's own
``returns-no-hidden-state``     late         the base output has no `last_hidden_state`
``returns-no-cache``            late         an output class without `past_key_values`, which a stage reads
``returns-no-logits``           late         the model's output has no `logits`
``no-hidden-size``              late         the config has no `hidden_size`, which sizes the receive buffer
``other-hidden-width``          late         the hidden state is not `hidden_size` wide
==============================  ===========  =========================================================================
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Final

from meshfit.readers.source import pipeline_iteration
from meshfit.readers.source.index import FunctionSource
from meshfit.readers.source.pipeline_calls import invoke
from meshfit.readers.source.pipeline_layers import PHASES, blame_change, shares_state
from meshfit.readers.source.pipeline_values import (
    IDS,
    NONE,
    Callable_,
    Carried,
    Frame,
    Known,
    Mod,
    Opaque,
    Output,
    Seq,
    Value,
)
from meshfit.readers.source.pipeline_walk import Mode, Walk, WalkLimitError
from meshfit.readers.source.values import UNKNOWN, Instance, Unknown

__all__ = ["pipeline_faults"]

_WITHHELD: Final = frozenset({"labels", "logits_to_keep"})
"""Parameters that no stage but the last passes to the base model."""

_OPEN: Final = frozenset({"attention_mask", "position_ids", "past_key_values", "cache_position", "use_cache"})
"""Parameters a caller gives or leaves out without changing what the model is asked to do."""


def pipeline_faults(model: Instance, base: Instance) -> tuple[tuple[str, str], ...] | Unknown:
    """What breaks when `model`, whose base model is `base`, runs in pipeline stages.

    Args:
        model: the model with its head. The structure the split needs (`layers`, `embed_tokens`, `norm`, `lm_head`) is
            taken for granted.
        base: its base model, an attribute of `model`.

    Returns:
        (kind, "modeling_x.py:line") in source order, empty when nothing breaks; UNKNOWN when that cannot be decided.
    """
    forward = _forward(base)
    head = _forward(model)
    layers = pipeline_iteration.module_list(pipeline_iteration.lift(base.attributes.get("layers", UNKNOWN)))
    if forward is None or head is None or not layers:
        return UNKNOWN
    signature = _signature_faults(forward, head) or _width_faults(model, base, forward)
    try:
        walks = _walks(model, base, forward, head, layers)
    except (WalkLimitError, RecursionError):
        return tuple(signature) or UNKNOWN
    if not walks[0].calls:
        # Layers that the walk of the whole model never meets prove nothing about what stages do to them.
        return tuple(signature) or UNKNOWN
    faults = _distinct([*signature, *(f for w in walks for f in w.faults)])
    if not faults and any(w.undecided for w in walks):
        return UNKNOWN
    return tuple(sorted(faults, key=_place))


def _distinct(faults: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each cause once: what a loop does after every layer it also does after the last."""
    found = list(dict.fromkeys(faults))
    looped = {(kind.removesuffix(PHASES[1]), where) for kind, where in found if kind.endswith(PHASES[1])}
    return [f for f in found if not (f[0].endswith(PHASES[2]) and (f[0].removesuffix(PHASES[2]), f[1]) in looped)]


def _place(fault: tuple[str, str]) -> tuple[str, int, str]:
    file, _, line = fault[1].rpartition(":")
    return (file, int(line) if line.isdigit() else 0, fault[0])


def _forward(instance: Instance) -> FunctionSource | None:
    return instance.cls.method("forward") if instance.cls is not None else None


def _parameters(function: FunctionSource) -> list[str]:
    spec = function.node.args
    return [a.arg for a in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)][1:]


def _signature_faults(forward: FunctionSource, head: FunctionSource) -> list[tuple[str, str]]:
    """What binding the model's arguments by name, as every stage does, makes of them."""
    faults = [("refuses-inputs-embeds", f.where) for f in (forward, head) if not _accepts(f, "inputs_embeds")]
    spec = head.node.args
    passed = [name for name in _parameters(head) if name not in _WITHHELD]
    passed += [a.arg for a in (spec.vararg, spec.kwarg) if a is not None]
    if any(not _accepts(forward, name) for name in passed):
        faults.append(("refuses-argument", forward.where))
    required = forward.node.args.args[1 : len(forward.node.args.args) - len(forward.node.args.defaults)]
    if any(a.arg == "input_ids" for a in required):
        faults.append(("needs-input-ids", forward.where))
    return faults


def _accepts(function: FunctionSource, name: str) -> bool:
    return function.node.args.kwarg is not None or name in _parameters(function)


def _width_faults(model: Instance, base: Instance, forward: FunctionSource) -> list[tuple[str, str]]:
    size = model.evaluate(ast.parse("self.config.hidden_size", mode="eval").body, {"self": model})
    named = model.evaluate(ast.parse("hasattr(self.config, 'hidden_size')", mode="eval").body, {"self": model})
    if named is False:
        return [("no-hidden-size", forward.where)]
    embedding = base.attributes.get("embed_tokens")
    width = getattr(embedding, "attributes", {}).get("embedding_dim")
    if isinstance(size, int) and isinstance(width, int) and size != width:
        return [("other-hidden-width", forward.where)]
    return []


def _walks(
    model: Instance, base: Instance, forward: FunctionSource, head: FunctionSource, layers: Sequence[Mod]
) -> list[Walk]:
    whole = _walk("whole", model, base, layers, {})
    output = _run(whole, head, model)
    if whole.raised:
        whole.undecided = True
    if shares_state(whole):
        whole.fault("shares-state-across-layers", whole.layer_where)
    _check_head(whole, head, output)
    first = _walk("first", model, base, layers, whole.forms)
    _check_base(first, forward, _run(first, forward, base))
    if first.raised:
        first.undecided = True
    later = _walk("later", model, base, layers, whole.forms)
    _run(later, head, model)
    if later.raised and not whole.raised:
        later.fault("needs-input-ids", forward.where)
    return [whole, first, later]


def _walk(mode: Mode, model: Instance, base: Instance, layers: Sequence[Mod], forms: dict[int, int | None]) -> Walk:
    cut = len(layers) // 2
    owned = {"whole": range(len(layers)), "first": range(cut), "later": range(cut, len(layers))}[mode]
    walk = Walk(mode, model, base, [Mod(m.instance, None if i in owned else "layer", i) for i, m in enumerate(layers)])
    walk.forms = dict(forms)
    return walk


def _run(walk: Walk, forward: FunctionSource, instance: Instance) -> Value:
    """The forward's result, called as the walk's stage calls it."""
    given: dict[str, Value] = {}
    for name in _parameters(forward):
        if name == "input_ids":
            given[name] = Known(None, absent=True) if walk.mode == "later" else Opaque(frozenset({IDS}))
        elif name == "inputs_embeds":
            given[name] = Carried(0) if walk.mode == "later" else NONE
        elif name in _OPEN:
            given[name] = Opaque(none=False if name == "use_cache" else None)
        elif name == "labels":
            given[name] = NONE
    receiver = Mod(instance)
    frame = Frame({}, forward.module, None, receiver, 0)
    return invoke(walk, frame, forward.node, Callable_(forward, receiver), [], given)  # type: ignore[arg-type]


def _check_base(walk: Walk, forward: FunctionSource, output: Value) -> None:
    """What a stage sends on: the carried state, untouched after its last layer, and a cache attribute."""
    match output:
        case Output():
            if "last_hidden_state" not in output.declared:
                walk.fault("returns-no-hidden-state", forward.where)
            if "past_key_values" not in output.declared:
                walk.fault("returns-no-cache", forward.where)
            sent = output.fields.get("last_hidden_state", NONE)
        case Seq():
            walk.fault("returns-no-hidden-state", forward.where)
            return
        case _:
            walk.undecided = True
            return
    if walk.arrived(sent):
        return
    if isinstance(sent, Opaque) and sent.maybe:
        walk.undecided = True
        return
    blame_change(walk, sent, forward.where, PHASES[2])


def _check_head(walk: Walk, head: FunctionSource, output: Value) -> None:
    match output:
        case Output():
            if "logits" not in output.declared:
                walk.fault("returns-no-logits", head.where)
            if "past_key_values" not in output.declared:
                walk.fault("returns-no-cache", head.where)
        case Seq():
            walk.fault("returns-no-logits", head.where)
        case _:
            walk.undecided = True
