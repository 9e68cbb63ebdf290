"""What users say of the model and of how it will be loaded, in every command that judges one."""

from __future__ import annotations

import argparse

__all__ = ["add_model_options"]


def add_model_options(command: argparse.ArgumentParser) -> None:
    """`--seq-len`, `--attn`, `--experts`, `--tied`, `--evidence`, `--no-evidence` and `--model-map`."""
    command.add_argument("--seq-len", type=int, metavar="N", help="tokens in one sequence")
    command.add_argument("--attn", metavar="NAME", help="attention implementation that will be set, such as sdpa")
    command.add_argument("--experts", metavar="NAME", help="experts implementation that will be set, such as eager")
    command.add_argument(
        "--tied",
        action=argparse.BooleanOptionalAction,
        help="tie_word_embeddings, when it will not be what the config says",
    )
    command.add_argument(
        "--evidence",
        default=True,
        metavar="FILE",
        help="proofs of yours that count beside those that come with meshfit, as meshfit verify --output writes them",
    )
    command.add_argument(
        "--no-evidence", dest="evidence", action="store_false", default=True, help="judge by rules alone"
    )
    command.add_argument(
        "--model-map",
        action="append",
        default=[],
        metavar="ID=FOLDER",
        help="where the config.json of a hub id is; also a JSON, YAML or plain file of such pairs; may be repeated",
    )
