"""Blocks of every quantised type of ggml with the numbers that ggml's own Python package reads in them.

python generate_blocks.py > ggml_blocks.json    needs: gguf (0.19 was used), numpy

For each type: at least 256 elements of random bits, in hexadecimal, and their float32 values, little-endian, in hexadecimal.
"""
import json

import gguf
import numpy as np

# Where a block has its float16 numbers; random bits there could be infinite.
FLOAT16_AT = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "MXFP4": []}


def main():
    random = np.random.default_rng(1)
    blocks = {}
    for name, places in FLOAT16_AT.items():
        kind = gguf.GGMLQuantizationType[name]
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        rows = random.integers(0, 256, (max(1, 256 // elements), size), dtype=np.uint8)
        for place in places:
            rows[:, place:place + 2] = random.normal(size=(len(rows), 1)).astype(np.float16).view(np.uint8)
        if name == "MXFP4":
            rows[:, 0] = random.integers(100, 140, len(rows))
        values = gguf.dequantize(rows, kind).astype("<f4")
        blocks[name] = {"bytes": rows.tobytes().hex(), "values": values.tobytes().hex()}
    print(json.dumps(blocks, indent=1))


if __name__ == "__main__":
    main()
