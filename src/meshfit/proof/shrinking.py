"""A small config of the same structure: counts congruent to the original's, widths shrunk, every kind of layer kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import lcm
from typing import Any, Final, NamedTuple

from meshfit.proof.layer_lists import PER_LAYER, LayerChoice, choose_layers
from meshfit.proof.shrunk_widths import Widths, sectioned
from meshfit.proof.size_roles import role_of

__all__ = ["ATTEMPTS", "VOCABULARY", "Attempt", "Moduli", "is_small", "moduli", "shrink"]

VOCABULARY: Final = 131
"""Tokens of a twin: odd, so that a vocabulary that is cut unevenly shows."""
_SMALL: Final[Mapping[str, int]] = {"width": 512, "layers": 8, "experts": 16, "vocabulary": 1024, "heads": 16}
_FIRST_SPECIAL: Final = 100
"""Ids from here on are moved to the end of the small vocabulary; below they stay."""


class Moduli(NamedTuple):
    """What counts must stay congruent modulo: `heads` for tp, `layers` for pp, `experts` for ep."""

    heads: int = 1
    layers: int = 1
    experts: int = 1


def moduli(sizes: Sequence[Mapping[str, int]]) -> Moduli:
    """The moduli of all meshes that one twin has to serve.

    Args:
        sizes: of each mesh, axis -> ranks.
    """
    tensor = lcm(*(mesh.get("tp", 1) * mesh.get("sp", 1) for mesh in sizes))
    return Moduli(
        heads=tensor,
        layers=lcm(*(mesh.get("pp", 1) for mesh in sizes)),
        experts=lcm(tensor, *(mesh.get("ep", 1) for mesh in sizes)),
    )


class Attempt(NamedTuple):
    """One way to make a twin: which kinds of size are made smaller, and what is added to the config.

    Args:
        widths, counts, vocabulary, layers: made smaller; the rest stays as it is.
        towers: parts without a vocabulary, such as one that sees, lose layers too.
        periods: layers that repeat do so after two, instead of keeping as many layers as show the period.
        windows: layers see less than a whole text.
        even: encoder and decoder get equally many layers.
        padded: there is a token that pads, which classifiers of several texts ask for.
        filled: sizes that the config leaves open are set, as every published config of the kind does.
        sections: the positions of text, height and width share the rotary pairs, which a class may take for granted.
        decoder: the model is one, where it may be an encoder.
    """

    widths: bool = True
    counts: bool = True
    vocabulary: bool = True
    layers: bool = True
    towers: bool = True
    periods: bool = True
    windows: bool = True
    even: bool = False
    padded: bool = False
    filled: bool = False
    sections: bool = False
    decoder: bool = False


ATTEMPTS: Final = (
    Attempt(),
    Attempt(padded=True),
    Attempt(filled=True),
    Attempt(periods=False),
    Attempt(even=True),
    Attempt(decoder=True),
    Attempt(padded=True, filled=True),
    Attempt(filled=True, sections=True),
    Attempt(towers=False),
    Attempt(windows=False),
    Attempt(windows=False, periods=False, padded=True, filled=True, vocabulary=False),
    Attempt(widths=False, counts=False),
    Attempt(widths=False, counts=False, vocabulary=False, decoder=True),
)
"""Ways to make a twin, the plainest first; a later one serves a class that does not run after an earlier one."""


def is_small(values: Mapping[str, Any]) -> bool:
    """Whether the config is of a tiny model already, so that nothing is gained by another one."""
    return all(
        value <= _SMALL.get(role_of(key), value)
        for part in _parts(values)
        for key, value in part.items()
        if type(value) is int
    )


def _parts(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The config and the configs inside it, from the outside in."""
    found = [values]
    for key, value in values.items():
        if isinstance(value, Mapping) and key not in _TABLES:
            found += _parts(value)
    return found


_TABLES: Final = frozenset(
    {"id2label", "label2id", "rope_parameters", "rope_scaling", "quantization_config", "auto_map", PER_LAYER}
)


def shrink(values: Mapping[str, Any], over: Moduli, attempt: Attempt = ATTEMPTS[0]) -> dict[str, Any]:
    """The config of a small model of the same structure.

    Args:
        values: of the config, complete, as `to_dict` gives them.
        over: what counts stay congruent modulo.
        attempt: which kinds of size to shrink.
    """
    parts = _parts(values)
    counts = [_counts(part, over) if attempt.counts else {} for part in parts]
    widths = Widths(parts, counts) if attempt.widths else None
    tokens = _Vocabularies(parts) if attempt.vocabulary else None
    made = iter(range(len(parts)))

    def rebuild(part: Mapping[str, Any]) -> dict[str, Any]:
        number = next(made)
        changed = {**part, **counts[number]}
        if widths is not None:
            changed.update(widths.of(number))
        if attempt.layers and (attempt.towers or _whole(part, "vocabulary")):
            changed.update(_layers(part, over, periods=attempt.periods))
            if attempt.even:
                depths = _whole(changed, "layers")
                changed.update(dict.fromkeys(depths, max(depths.values(), default=0)))
        changed.update(_positions(part, windows=attempt.windows))
        if attempt.padded and part.get("pad_token_id", 0) is None:
            changed["pad_token_id"] = 0
        if attempt.filled:
            changed.update(_filled(changed))
        if attempt.sections:
            changed.update(sectioned(changed))
        if attempt.decoder and part.get("is_decoder") is False:
            changed["is_decoder"] = True
        if tokens is not None:
            changed.update(tokens.of(part))
        for key, value in part.items():
            if isinstance(value, Mapping) and key not in _TABLES:
                changed[key] = rebuild(value)
        for key, value in changed.items():
            if _sizes_layers(key, value, part):
                changed[key] = [_alone(part, key, one, over, attempt) for one in value]
        overrides = changed.get(PER_LAYER)
        if overrides:
            flat = {key: value for key, value in part.items() if key != PER_LAYER}
            changed[PER_LAYER] = {layer: _override(flat, own, over, attempt) for layer, own in overrides.items()}
        return changed

    return rebuild(values)


def _sizes_layers(key: str, value: Any, part: Mapping[str, Any]) -> bool:
    """Whether the list holds a width, or a count of heads, for each layer."""
    if not isinstance(value, list) or not value or role_of(key) not in ("width", "heads"):
        return False
    return all(type(one) is int for one in value) and len(part[key]) in _whole(part, "layers").values()


def _alone(part: Mapping[str, Any], key: str, size: int, over: Moduli, attempt: Attempt) -> Any:
    """The size of one layer, shrunk as if every layer had it."""
    common = key.removesuffix("_per_layer")
    scalars = {name: value for name, value in part.items() if not isinstance(value, list | Mapping)}
    return shrink({**scalars, common: size}, over, attempt)[common]


def _override(part: Mapping[str, Any], own: Mapping[str, Any], over: Moduli, attempt: Attempt) -> dict[str, Any]:
    """What one layer has of its own, shrunk as if every layer had it; heads stay as large against the common ones."""
    common, alone = (shrink(values, over, attempt) for values in (part, {**part, **own}))
    found = {key: alone[key] for key in own}
    for key, value in own.items():
        if role_of(key) == "head_dim" and type(value) is int and type(part.get(key)) is int:
            found[key] = value * common[key] // part[key]
    return found


def _whole(part: Mapping[str, Any], role: str) -> dict[str, int]:
    return {key: value for key, value in part.items() if type(value) is int and value > 0 and role_of(key) == role}


def _counts(part: Mapping[str, Any], over: Moduli) -> dict[str, int]:
    """Heads and experts: congruent, and dividing each other as before."""
    heads = _whole(part, "heads")
    small = congruent(set(heads.values()), over.heads, least=4)
    found = {key: small[value] for key, value in heads.items()}
    return {**found, **_experts(part, over.experts)}


def _experts(part: Mapping[str, Any], modulus: int) -> dict[str, int]:
    experts, chosen, groups = (_whole(part, role) for role in ("experts", "topk", "groups"))
    found = {key: min(count, 2) for key, count in chosen.items()}
    divided = {key: count for key, count in groups.items() if key != "topk_group"}
    kept = {key: min(count, 2) for key, count in divided.items()}
    if "topk_group" in groups:
        found["topk_group"] = min([groups["topk_group"], *((count + 1) // 2 for count in kept.values())])
    least = max([4, *(2 * count for count in (*found.values(), *kept.values()))])
    multiple = lcm(*kept.values()) if kept else 1
    for key, count in experts.items():
        small = [n for n in range(1, count) if n >= least and (n - count) % modulus == 0 and n % multiple == 0]
        found[key] = next(iter(small), count)
    unshrunk = any(found[key] == count for key, count in experts.items() if count > 1) and kept
    return {**found, **({} if unshrunk else kept)}


def congruent(values: set[int], modulus: int, least: int) -> dict[int, int]:
    """Small counts that divide each other, and leave remainders modulo `modulus`, as the given ones do.

    Args:
        values: the counts of one model, which may be the heads of several kinds of layer.
        modulus: ranks over which they are spread.
        least: what the largest should not fall below, where the original does not.
    """
    found: dict[int, int] = {1: 1} if 1 in values else {}
    for value in sorted(values - {1}):
        divisors = [small for big, small in found.items() if value % big == 0]
        floor = max(found.values(), default=0) + 1
        if value == max(values):
            floor = max(floor, min(least, value))
        step = lcm(*divisors) if divisors else 1
        fitting = (n for n in range(max(floor, 2), value) if n % step == 0 and (n - value) % modulus == 0)
        found[value] = next(fitting, value)
    return found


def _layers(part: Mapping[str, Any], over: Moduli, *, periods: bool) -> dict[str, Any]:
    depths = _whole(part, "layers")
    changed: dict[str, Any] = {}
    repeated = max((*_whole(part, "period").values(), 0)) if not periods else 0
    for key, depth in depths.items():
        choice = choose_layers(part, depth, modulus=over.layers, least=max(3, repeated and repeated + 1))
        changed[key] = len(choice.kept)
        if key == _main(depths):
            changed.update(choice.lists)
            changed.update(_edges(part, depth, choice))
    if periods and changed:
        changed.update({key: min(period, 2) for key, period in _whole(part, "period").items()})
        changed.update({key: min(offset, 1) for key, offset in _whole(part, "offset").items()})
        main = _main(depths)
        changed.update(_repeated(part, depths[main], changed[main]))
    return changed


def _repeated(part: Mapping[str, Any], depth: int, left: int) -> dict[str, int]:
    """Periods and offsets, the shortest under which the layers that are left are of the same kinds."""
    stems = [
        key.removesuffix("period") for key in _whole(part, "period") if f"{key.removesuffix('period')}offset" in part
    ]
    rhythms = [(part[f"{stem}period"], part[f"{stem}offset"]) for stem in stems]
    if not rhythms or any(type(offset) is not int or period > 12 for period, offset in rhythms):
        return {}

    def kinds(layers: int, chosen: Sequence[tuple[int, int]]) -> set[tuple[bool, ...]]:
        return {tuple(layer % period == offset for period, offset in chosen) for layer in range(layers)}

    shorter = [[(p, o) for p in range(1, period + 1) for o in range(p)] for period, _ in rhythms]
    for chosen in sorted(product(*shorter), key=lambda some: sum(period for period, _ in some)):
        if kinds(left, chosen) == kinds(depth, rhythms):
            found = {f"{stem}period": period for stem, (period, _) in zip(stems, chosen, strict=True)}
            return found | {f"{stem}offset": offset for stem, (_, offset) in zip(stems, chosen, strict=True)}
    return {}


def _main(depths: Mapping[str, int]) -> str:
    """The key that lists of layers are as long as: the common one, else the deepest."""
    common = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "depth")
    return next((key for key in common if key in depths), max(depths, key=lambda key: depths[key]))


def _edges(part: Mapping[str, Any], depth: int, choice: LayerChoice) -> dict[str, int]:
    """Counts of first and last layers: at least one stays one, all stay all."""
    left = len(choice.kept)
    edges = {**_whole(part, "leading"), **_whole(part, "trailing")}
    return {key: left if count >= depth else min(count, left - 1, 1) for key, count in edges.items()}


def _positions(part: Mapping[str, Any], *, windows: bool) -> dict[str, Any]:
    """Few positions, and windows that are shorter than the texts a twin is given."""
    changed: dict[str, Any] = {key: min(count, 512) for key, count in _whole(part, "positions").items()}
    if windows:
        changed.update({key: min(count, 8) for key, count in _whole(part, "window").items()})
    width, patch = part.get("image_size"), part.get("patch_size")
    if type(width) is int and type(patch) is int and width > 32 * patch:
        changed["image_size"] = 8 * patch
    return changed


def _filled(part: Mapping[str, Any]) -> dict[str, Any]:
    """Sizes for what the config leaves open, though some classes cannot be built without them."""
    heads, hidden, depth = (part.get(key) for key in ("num_attention_heads", "hidden_size", "num_hidden_layers"))
    made: dict[str, Any] = {}
    if type(heads) is int and type(hidden) is int:
        made.update(head_dim=hidden // heads, num_key_value_heads=heads)
    if type(depth) is int:
        made["layer_types"] = ["full_attention"] * depth
    made |= {
        "vocab_size": VOCABULARY,
        **{key: 4 for key in part if role_of(key) == "experts"},
        **{key: 2 for key in part if role_of(key) == "topk"},
        **{key: 1 for key in part if key.endswith("shared_experts")},
    }
    return {key: value for key, value in made.items() if key in part and part[key] is None}


class _Vocabularies:
    """Small vocabularies, different where the original's are, and special ids inside them."""

    def __init__(self, parts: Sequence[Mapping[str, Any]]) -> None:
        sizes = sorted({size for part in parts for size in _whole(part, "vocabulary").values() if size > VOCABULARY})
        self._sizes = {size: VOCABULARY + 2 * number for number, size in enumerate(sizes)}
        ids = {one for part in parts for one in _token_ids(part) if one >= _FIRST_SPECIAL} - set(sizes)
        below = VOCABULARY - 1
        self._ids = {one: max(below - number, 3) for number, one in enumerate(sorted(ids, reverse=True))}

    def of(self, part: Mapping[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for key, size in _whole(part, "vocabulary").items():
            changed[key] = self._sizes.get(size, size)
        for key, value in part.items():
            if role_of(key) != "token" or isinstance(value, bool):
                continue
            if isinstance(value, int):
                changed[key] = self._moved(value)
            elif isinstance(value, list | tuple):
                changed[key] = [self._moved(one) if type(one) is int else one for one in value]
        return changed

    def _moved(self, token: int) -> int:
        return self._ids.get(token, self._sizes.get(token, token))


def _token_ids(part: Mapping[str, Any]) -> list[int]:
    found: list[int] = []
    for key, value in part.items():
        if role_of(key) == "token":
            found += [one for one in (value if isinstance(value, list | tuple) else [value]) if type(one) is int]
    return found
