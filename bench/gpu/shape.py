"""What a step of a model costs at least, from its config.json: as bench/gpu/model.cpp counts it, for any of the families."""

import dataclasses
import json

BF16_BYTES = 2
MXFP4_BYTES = 17 / 32  # 32 numbers in 16 bytes and a scale


@dataclasses.dataclass
class Shape:
    vocab_size: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    head_dim: int
    longest: int  # positions that the model was made for
    windows: list  # of each layer: positions that it sees, or None for all
    experts: int = 0
    picks: int = 0
    expert_bytes: float = BF16_BYTES  # of a weight

    @staticmethod
    def of(folder):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        layers, heads = config["num_hidden_layers"], config["num_attention_heads"]
        experts = config.get("num_local_experts") or config.get("num_experts") or 0
        is_mxfp4 = config.get("quantization_config", {}).get("quant_method") == "mxfp4"
        kinds = config.get("layer_types") or ["full_attention"] * layers
        return Shape(vocab_size=config["vocab_size"], hidden=config["hidden_size"],
                     intermediate=(experts and config.get("moe_intermediate_size")) or config["intermediate_size"], heads=heads,
                     kv_heads=config.get("num_key_value_heads") or heads, head_dim=config.get("head_dim") or config["hidden_size"] // heads,
                     longest=config["max_position_embeddings"],
                     windows=[config["sliding_window"] if kind == "sliding_attention" else None for kind in kinds],
                     experts=experts, picks=config["num_experts_per_tok"] if experts else 0, expert_bytes=MXFP4_BYTES if is_mxfp4 else BF16_BYTES)

    @property
    def attention_weights(self):
        """Of a layer: q, k, v and o, and the router."""
        return self.hidden * self.head_dim * (2 * self.heads + 2 * self.kv_heads) + self.hidden * self.experts

    @property
    def mlp_weights(self):
        """Of a layer's one MLP, or of one expert."""
        return 3 * self.hidden * self.intermediate

    def seen(self, window, position):
        return min(position + 1, window or position + 1)

    def decode_bytes(self, batch, context):
        """That a step of `batch` sequences with so many positions reads: all weights once, of the experts those that are then picked if all are as
        likely, and keys and values."""
        mlp = self.mlp_weights * BF16_BYTES
        if self.experts:
            mlp = self.experts * (1 - (1 - self.picks / self.experts) ** batch) * self.mlp_weights * self.expert_bytes
        weights = len(self.windows) * (self.attention_weights * BF16_BYTES + mlp) + self.vocab_size * self.hidden * BF16_BYTES
        key_values = sum(2 * self.kv_heads * self.head_dim * BF16_BYTES * self.seen(window, context - 1) for window in self.windows)
        return weights + batch * key_values

    def prompt_operations(self, count):
        """Additions and multiplications of a prompt; the output matrix is needed for the last token."""
        weights = len(self.windows) * (self.attention_weights + (self.picks or 1) * self.mlp_weights)
        pairs = sum(self.seen(window, position) for window in self.windows for position in range(count))
        return 2 * weights * count + 4 * self.heads * self.head_dim * pairs + 2 * self.vocab_size * self.hidden
