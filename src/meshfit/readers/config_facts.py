"""What the config of a live model says."""

from __future__ import annotations

from functools import partial
from typing import Any

from meshfit.readers.attributes import ABSENT, attribute, config_value, varying
from meshfit.readers.config_view import ConfigView, view_facts
from meshfit.readers.layer_kinds import names_recurrent_layers

__all__ = ["config_facts", "is_hybrid", "text_config"]


def text_config(config: Any) -> Any:
    """The config of the text decoder: the object itself unless it is composite."""
    read = getattr(config, "get_text_config", None)
    if callable(read):
        try:
            return read()
        except (ValueError, TypeError, AttributeError):
            # Several text configs, or a stand-in without the usual ones.
            return config
    nested = config_value(config, "text_config")
    return config if nested is ABSENT or nested is None else nested


def config_facts(config: Any) -> dict[str, Any]:
    """Sizes, layer kinds and switches of `config` (any object, or a mapping); empty for None."""
    if config is None or config is ABSENT:
        return {}
    whole = _view(config)
    text = text_config(config)
    return view_facts(whole, whole if text is config else _view(text))


def _view(config: Any) -> ConfigView:
    return ConfigView(partial(config_value, config), varying(config))


def is_hybrid(model: Any) -> bool:
    """Whether a config names layers that are no attention: the model's, its `text_config`, its language model's."""
    configs = [attribute(model, "config")]
    configs.append(config_value(configs[0], "text_config") if configs[0] is not ABSENT else ABSENT)
    inner = attribute(model, "language_model")
    configs.append(attribute(inner, "config") if inner is not ABSENT and inner is not None else ABSENT)
    known = [config for config in configs if config is not ABSENT and config is not None]
    return any(names_recurrent_layers(partial(config_value, config)) for config in known)
