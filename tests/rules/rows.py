"""One bad row for each way a rule can fire: one change of valid facts or of the mesh, and what the report says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from builders import EP_PLAN, EXPERTS, LAYER, MODULES, PARAMETERS, TP_PLAN, without

from meshfit.structure import Conversion, ModuleInfo

Q, OUT = (f"{LAYER}.self_attn.{name}_proj" for name in ("q", "o"))
NORM = f"{LAYER}.self_attn.q_norm"

DENSE: dict[str, Any] = {
    "num_experts": None,
    "parameters": {name: shape for name, shape in PARAMETERS.items() if not name.startswith(EXPERTS)},
}
"""A model without experts."""
NARROW_HEAD: dict[str, Any] = {"tied_head": True, "modules": {**MODULES, "lm_head": ModuleInfo("Linear", 126)}}
"""A head tied to an embedding with more rows."""
HYBRID = {"is_hybrid": True}
SHARED_OUT: dict[str, Any] = {"settings": {"sequence_parallel": True}}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A mesh that breaks one rule.

    Args:
        code: of the rule.
        engine: under which it is judged.
        mesh: as `MeshSpec.parse` reads it.
        good_mesh: a mesh that keeps the rule, where the mesh is the fault; None: the facts are.
        changes: facts that differ from the valid ones.
        settings: passed beside the sizes.
        says: parts of the message, both numbers where numbers disagree.
    """

    code: str
    engine: str
    mesh: str
    says: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    good_mesh: str | None = None

    def __str__(self) -> str:
        return f"{self.code}-{self.engine}-{self.mesh}"


def row(code: str, engine: str, mesh: str, *says: str, good_mesh: str | None = None, **rest: Any) -> Row:
    """A row of the mesh that breaks a rule, what it says, and the facts that are changed for it."""
    settings = rest.pop("settings", {})
    return Row(code=code, engine=engine, mesh=mesh, says=says, changes=rest, settings=settings, good_mesh=good_mesh)


WORLD = [
    row("MS001", "transformers", "tp=2", "2 ranks (tp_size=2)", "world_size is 8", world_size=8),
    row("MS001", "accelerate", "tp=2,dp_shard=2", "4 ranks", "world_size is 8", world_size=8),
    row("MS001", "torchtitan", "tp=4", "4 ranks", "world_size is 8", world_size=8),
    row("MS001", "generic", "tp=4", "4 ranks", "world_size (6)", world_size=6),
    row("MS001", "nemo", "tp=4", "4 ranks", "world_size (6)", world_size=6),
    row("MS002", "transformers", "pp=2,dp_shard=2", "pp_size (2)", "= 2", good_mesh="pp=2"),
    row("PP015", "transformers", "pp=2,tp=4", "pp_size (2)", "tp_size (4)", good_mesh="pp=2"),
    row("MS003", "accelerate", "tp=2,dp_replicate=4", "tp_size (2)", "(4)", good_mesh="tp=2,dp_replicate=4,dp_shard=2"),
    row("MS004", "accelerate", "cp=2,sp=4", "cp_size (2)", "sp_size (4)", good_mesh="cp=2"),
    row("TP009", "generic", "tp=16", "tp_size (16)", "(8)", gpus_per_node=8),
    row("EP004", "transformers", "ep=2", "dp_shard_size * tp_size (1)", "ep_size (2)", good_mesh="ep=2,dp_shard=2"),
    row("EP004", "transformers", "ep=2,tp=4", "ep_size (2)", "tp_size (4)", good_mesh="ep=4,tp=4"),
    row("EP004", "torchtitan", "ep=8,dp_shard=4", "4 ranks", "ep_size (8)", good_mesh="ep=4,dp_shard=4"),
    row("EP004", "nemo", "ep=8", "4 ranks", "ep_size (8)", world_size=4),
    row(
        "EP005",
        "transformers",
        "ep=2,dp_shard=2",
        "ep_size is 2",
        "tp_size is 1",
        settings={"ep_implementation": "all_reduce"},
        good_mesh="ep=2,tp=2",
    ),
    row("EP006", "transformers", "ep=2,tp=2,pp=2", "ep_size=2", "pp_size (2)", good_mesh="ep=2,tp=2"),
    row("DP001", "transformers", "dp_shard=2", "no FSDP plan", fsdp_plan={}),
    row("DP002", "transformers", "dp_replicate=2", "no FSDP plan", fsdp_plan={}),
    row(
        "DP003",
        "transformers",
        "dp_shard=2",
        "Chunk",
        "dp_shard_size (2)",
        conversions=(Conversion(("q_proj.weight", "k_proj.weight"), (("Chunk", 0),)),),
    ),
    row(
        "DP004",
        "transformers",
        "dp_shard=2",
        "PermuteForRope",
        "text runs right",
        is_multimodal=True,
        parameters={**PARAMETERS, "tower.q_proj.weight": (64, 64)},
        conversions=(Conversion(("tower.*q_proj",), (("PermuteForRope", 0),)),),
    ),
    row(
        "DP006",
        "transformers",
        "dp_shard=2",
        "model.layers",
        "ModuleList",
        fsdp_plan={"model.layers": "free_full_weight"},
    ),
    row("DP007", "transformers", "dp_shard=5", "8 experts", "dp_shard_size (5)", good_mesh="dp_shard=8"),
    row(
        "DP008",
        "transformers",
        "dp_shard=2",
        "renamed",
        "layers.*.scale",
        loading_faults=(("buffer-left-empty", "layers.*.scale"),),
    ),
    row("DP010", "transformers", "dp_replicate=2", "126 rows", "128", "dp_replicate_size (2)", **NARROW_HEAD),
    row("DP010", "transformers", "dp_replicate=4", "ModuleList", fsdp_plan={"model.layers": "free_full_weight"}),
    row("DP009", "transformers", "dp_shard=2", "126 rows", "128", "dp_shard_size (2)", **NARROW_HEAD),
]

TENSOR = [
    row("TP001", "generic", "tp=2", "has no TP plan", tp_plan={}),
    row("TP001", "nemo", "tp=2", "has no TP plan", tp_plan={}),
    row("TP001", "transformers", "tp=2", "has no TP plan", tp_plan={}),
    row("TP001", "transformers", "tp=2", "has no TP plan", "tp_plan={}", settings={"tp_plan": {}}),
    row("TP001", "accelerate", "tp=2", "has no TP plan", tp_plan={}),
    row("TP002", "nemo", "tp=8", "num_key_value_heads (4)", "tp_size (8)", good_mesh="tp=4"),
    row("TP002", "torchtitan", "tp=8", "num_key_value_heads (4)", "tp_size (8)", good_mesh="tp=4"),
    row("TP002", "transformers", "tp=8", "num_key_value_heads (4)", "tp_size (8)", good_mesh="tp=4"),
    row("TP002", "generic", "tp=8", "num_key_value_heads (4)", "tp_size (8)", good_mesh="tp=4"),
    row("TP003", "nemo", "tp=2", "num_attention_heads (7)", "tp_size (2)", heads_per_layer=(7, 8)),
    row("TP003", "torchtitan", "tp=3", "num_attention_heads (8)", "tp_size (3)", good_mesh="tp=4"),
    row("TP003", "transformers", "tp=3", "num_attention_heads (8)", "tp_size (3)", good_mesh="tp=4"),
    row("TP003", "generic", "tp=3", "num_attention_heads (8)", "tp_size (3)", good_mesh="tp=4"),
    row("TP004", "torchtitan", "tp=4", "linear_num_key_heads (2)", "tp_size (4)", linear_num_key_heads=2),
    row("TP005", "transformers", "tp=2", "nope", settings={"tp_plan": {"nope": "colwise"}}),
    row("TP006", "transformers", "tp=2", "zzz", tp_plan={**TP_PLAN, Q: "zzz"}),
    row("TP007", "transformers", "tp=2", "Conv1D", Q, modules={**MODULES, Q: ModuleInfo("Conv1D")}),
    row("TP008", "transformers", "tp=2", "lm_head", "model.layers", tp_plan={"lm_head": "colwise_gather_output"}),
    row(
        "TP010",
        "transformers",
        "tp=2",
        "not at all",
        "128",
        tied_head=True,
        tp_plan=without(TP_PLAN, "model.embed_tokens"),
    ),
    row("TP029", "transformers", "tp=2", "126 rows", "128", "tp_size (2)", **NARROW_HEAD),
    row("TP011", "transformers", "tp=2", "lm_head", tp_plan={**TP_PLAN, "lm_head": "colwise"}),
    row(
        "TP012",
        "transformers",
        "tp=4",
        "(36)",
        "tp_size (4)",
        "18 bytes",
        parameters={
            **PARAMETERS,
            f"{EXPERTS}.gate_up_proj": (8, 72, 64),
            f"{EXPERTS}.down_proj": (8, 64, 36),
        },
    ),
    row(
        "TP013",
        "transformers",
        "tp=2",
        "Chunk",
        Q,
        conversions=(Conversion(("self_attn.q_proj.weight", "self_attn.k_proj.weight"), (("Chunk", 0),)),),
    ),
    row("TP014", "transformers", "tp=2", OUT, "in place", inplace_outputs=frozenset({OUT})),
    row(
        "TP015",
        "transformers",
        "tp=2",
        "model.embed_tokens",
        raw_weight_reads=frozenset({"model.embed_tokens"}),
    ),
    row("TP016", "transformers", "tp=2", Q, "whole width", tensor_faults=(("assumes-whole-width", Q),)),
    row(
        "TP016",
        "transformers",
        "tp=2",
        f"{LAYER}.self_attn.sinks",
        tensor_faults=(("whole-parameter-meets-cut-output", f"{Q} with {LAYER}.self_attn.sinks"),),
    ),
    row(
        "TP016",
        "transformers",
        "tp=2",
        "model.embed_tokens",
        tensor_faults=(("embedding-assigns-output", "model.embed_tokens"),),
    ),
    row(
        "TP017",
        "transformers",
        "tp=2",
        NORM,
        Q,
        dataflow={NORM: frozenset({Q})},
        tp_plan=without(TP_PLAN, NORM),
    ),
    row(
        "TP018",
        "transformers",
        "tp=2",
        "qk_rope_head_dim",
        tp_plan={**TP_PLAN, NORM: "mla_kv_a_proj"},
        per_layer_attributes=frozenset({"qk_rope_head_dim"}),
    ),
    row(
        "TP019",
        "transformers",
        "tp=2",
        OUT,
        "rowwise",
        linear_inputs=((OUT, frozenset({f"{LAYER}.self_attn.v_proj"})),),
        tp_plan={**TP_PLAN, f"{LAYER}.self_attn.v_proj": "colwise_gather_output"},
    ),
    row(
        "TP019",
        "transformers",
        "tp=2",
        "whole",
        Q,
        linear_inputs=((OUT, frozenset({Q})),),
        tp_plan={**TP_PLAN, OUT: "colwise"},
    ),
    row("TP020", "generic", "tp=2", "supports_tp = False", "TP plan", declared={"tp": False}),
    row("TP021", "nemo", "tp=2", "supports_tp = True", "no TP plan", declared={"tp": True}, tp_plan={}),
]

PIPELINE = [
    row("PP001", "generic", "pp=2", "_pp_plan", pp_plan={}),
    row("PP001", "nemo", "pp=2", "_pp_plan", pp_plan={}),
    row("PP002", "transformers", "pp=2", "'model'", "_pp_plan", head_children=frozenset({"lm_head"})),
    row("PP002", "transformers", "pp=2", "model.norm", base_children=frozenset({"embed_tokens", "layers"})),
    row("PP002", "transformers", "pp=2", "lm_head", head_children=frozenset({"model"})),
    row("PP003", "transformers", "pp=2", "input_ids", "m.py:7", pipeline_faults=(("needs-input-ids", "m.py:7"),)),
    row("PP005", "transformers", "pp=16", "num_hidden_layers (8)", "pp_size (16)", good_mesh="pp=8"),
    row("PP006", "transformers", "pp=3", "num_hidden_layers (8)", "pp_size (3)", "4 layers", good_mesh="pp=4"),
    row("PP007", "nemo", "pp=16", "num_hidden_layers (8)", "pp_size (16)", good_mesh="pp=8"),
    row("PP007", "torchtitan", "pp=16", "num_hidden_layers (8)", "pp_size (16)", good_mesh="pp=10"),
    row("PP008", "nemo", "pp=2", "tie_word_embeddings", "(2)", tied_head=True),
    row("PP008", "torchtitan", "pp=2", "tie_word_embeddings", "(2)", tied_head=True),
    row("PP009", "nemo", "pp=2", "encoder-decoder", is_encoder_decoder=True),
    row("PP009", "torchtitan", "pp=2", "encoder-decoder", is_encoder_decoder=True),
    row("PP010", "nemo", "pp=4", "microbatches (2)", "pp_size (4)", settings={"microbatches": 2}, good_mesh="pp=2"),
    row("PP020", "nemo", "pp=2", "supports_pp = False", declared={"pp": False}),
    row("PP021", "generic", "pp=2", "supports_pp = True", "_pp_plan", declared={"pp": True}, pp_plan={}),
]

CONTEXT = [
    row("CP001", "generic", "cp=2", "_supports_sdpa", supports_sdpa=False),
    row("CP001", "generic", "cp=2", "hybrid", "Mamba", is_hybrid=True),
    row("CP001", "nemo", "cp=2", "TE attention backend", "'flex'", backend_attn="flex"),
    row("CP001", "nemo", "cp=2", "TE attention backend", "'sdpa'", backend_attn="sdpa"),
    row("CP001", "nemo", "cp=2", "TE attention backend", "hybrid", backend_attn="magi", is_hybrid=True),
    row("CP001", "accelerate", "cp=2", "_supports_sdpa", "cp_size (2)", supports_sdpa=False),
    row("CP002", "accelerate", "cp=2", "sliding_attention", layer_types=("full_attention", "sliding_attention")),
    row("CP002", "accelerate", "cp=2", "hybrid", "Mamba", layer_types=("linear_attention",)),
    row("CP002", "transformers", "cp=2", "sliding_window (16)", layer_types=None, sliding_window=16),
    row("CP003", "accelerate", "cp=2", "'flash_attention_2'", attn_implementation="flash_attention_2"),
    row("CP004", "accelerate", "cp=2", "position_ids", context_faults=(("local-positions", "model"),)),
    row("CP005", "accelerate", "cp=4", "seq_len (12)", "(8)", seq_len=12),
    row("CP005", "nemo", "cp=4", "seq_len (12)", "(8)", seq_len=12),
    row("CP005", "torchtitan", "cp=2,tp=4", "seq_len (24)", "(16)", seq_len=24),
    row("CP006", "accelerate", "cp=2,dp_replicate=4", "cp_size (2)", "(4)", good_mesh="cp=2,dp_replicate=4,dp_shard=2"),
    row("CP020", "generic", "cp=2", "supports_cp = False", declared={"cp": False}),
    row("CP021", "generic", "cp=2", "supports_cp = True", declared={"cp": True}, supports_sdpa=False),
    row("SP001", "accelerate", "sp=2", "linear_attention", layer_types=("linear_attention",)),
    row("SP002", "accelerate", "sp=3", "num_attention_heads (8)", "sp_size (3)", good_mesh="sp=2"),
    row("SP003", "accelerate", "sp=3", "num_key_value_heads (4)", "sp_size (3)", good_mesh="sp=2"),
    row("SP004", "accelerate", "sp=4", "seq_len (6)", "sp_size (4)", seq_len=6),
]

EXPERT = [
    row("EP001", "generic", "ep=2", "MoE model", ep_plan={}),
    row("EP001", "nemo", "ep=2", "MoE model", ep_plan={}),
    row("EP001", "transformers", "ep=2,tp=2", "MoE model", "ep_size (2)", ep_plan={}),
    row("EP002", "transformers", "ep=2,tp=2", "MoE model", ep_plan={f"{LAYER}.other": "grouped_gemm"}),
    row("EP002", "transformers", "ep=2,tp=2", "ep_dispatch_experts", ep_plan=without(EP_PLAN, EXPERTS)),
    row(
        "EP002",
        "transformers",
        "ep=2,tp=2",
        "no module",
        ep_plan={**without(EP_PLAN, EXPERTS), f"{LAYER}.other": "ep_dispatch_experts"},
    ),
    row("EP002", "torchtitan", "ep=2,dp_shard=2", "MoE model", **DENSE),
    row("EP003", "transformers", "ep=3,dp_shard=3", "num_experts (8)", "ep_size (3)", good_mesh="ep=2,dp_shard=2"),
    row("EP003", "nemo", "ep=3", "num_experts (8)", "ep_size (3)", good_mesh="ep=2"),
    row("EP003", "torchtitan", "ep=3", "num_experts (8)", "ep_size (3)", good_mesh="ep=2"),
    row(
        "EP007",
        "transformers",
        "ep=2,tp=2",
        "Chunk",
        "dim 0",
        conversions=(Conversion((f"{EXPERTS}.gate_up_proj",), (("Chunk", 0),)),),
    ),
    row("EP008", "transformers", "ep=2,tp=2", "ep_router", settings={"ep_plan": {f"{LAYER}.mlp": "ep_router"}}),
    row("EP008", "transformers", "ep=2,tp=2", "nope", settings={"ep_plan": {"nope": "grouped_gemm"}}),
    row("EP020", "nemo", "ep=2", "supports_ep = False", declared={"ep": False}),
    row("EP021", "nemo", "ep=2", "supports_ep = True", declared={"ep": True}, ep_plan={}),
]

PACKING = [
    row(
        "PK001",
        "transformers",
        "tp=2",
        "seq_lens",
        settings={"sequence_packing": True},
        forward_parameters=("input_ids", "**kwargs"),
    ),
    row("PK001", "nemo", "tp=2", "seq_lens", settings={"sequence_packing": True}, forward_parameters=("x",)),
    row("PK002", "nemo", "cp=2", "TE attention backend", "cp_size (2)", settings={"sequence_packing": True}),
    row("PK003", "generic", "ep=2", "MoE model", settings={"activation_checkpointing": True}),
]

ROWS = (*WORLD, *TENSOR, *PIPELINE, *CONTEXT, *EXPERT, *PACKING)

ALWAYS = {"PP004": ("transformers", "pp=2"), "PP011": ("accelerate", "pp=2"), "SP005": ("torchtitan", "sp=2")}
"""Rules that fire on every mesh with their axis: nothing but leaving the axis out keeps them."""

BY_SETTING = frozenset({"TP005", "TP025", "PK002", "PK003", "EP008"})
"""Rules whose fault is a setting alone, so that the valid row is the one without settings."""
