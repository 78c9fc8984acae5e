#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a GGUF file (version 3) with random weights in the sizes of VILA1.5-3b's language model, in the types that llama-quantize
takes for Q4_0: matrices Q4_0, the head Q6_K, norms F32. Without a vocabulary. Usage: random_gguf.py FILE

Format: ggml's docs/gguf.md. A block of Q4_0 is an fp16 scale and 32 values of 4 bits; one of Q6_K 256 values of 6 bits, 16 scales of
8 bits and an fp16 scale. Weights have mean 0 and standard deviation 1/sqrt(inputs).
"""
import math
import os
import random
import struct
import sys

HIDDEN, LAYERS, HEADS, FFN, VOCAB = 2560, 32, 20, 6912, 32000
F32, Q4_0, Q6_K = 0, 2, 14
ALIGNMENT = 32
numbers = random.Random(1)


def text(value):
    return struct.pack("<Q", len(value)) + value.encode()


def metadata():
    strings = {"general.architecture": "llama", "tokenizer.ggml.model": "no_vocab"}
    integers = {
        "general.file_type": 2,
        "llama.vocab_size": VOCAB,
        "llama.context_length": 4096,
        "llama.embedding_length": HIDDEN,
        "llama.block_count": LAYERS,
        "llama.feed_forward_length": FFN,
        "llama.attention.head_count": HEADS,
        "llama.attention.head_count_kv": HEADS,
        "llama.rope.dimension_count": HIDDEN // HEADS,
    }
    pairs = [text(key) + struct.pack("<I", 8) + text(value) for key, value in strings.items()]
    pairs += [text(key) + struct.pack("<II", 4, value) for key, value in integers.items()]
    pairs.append(text("llama.attention.layer_norm_rms_epsilon") + struct.pack("<If", 6, 1e-5))
    return len(pairs), b"".join(pairs)


def tensors():
    """Name, type and shape, the inputs first."""
    yield "token_embd.weight", Q4_0, (HIDDEN, VOCAB)
    for i in range(LAYERS):
        block = f"blk.{i}."
        yield block + "attn_norm.weight", F32, (HIDDEN,)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"{block}{name}.weight", Q4_0, (HIDDEN, HIDDEN)
        yield block + "ffn_norm.weight", F32, (HIDDEN,)
        yield block + "ffn_gate.weight", Q4_0, (HIDDEN, FFN)
        yield block + "ffn_up.weight", Q4_0, (HIDDEN, FFN)
        yield block + "ffn_down.weight", Q4_0, (FFN, HIDDEN)
    yield "output_norm.weight", F32, (HIDDEN,)
    yield "output.weight", Q6_K, (HIDDEN, VOCAB)


def blocks(count, size, scale_at, scale):
    """Random bytes with an fp16 number of either sign in each block."""
    data = bytearray(numbers.randbytes(count * size))
    low, high = struct.pack("<e", scale)
    data[scale_at::size] = bytes([low]) * count
    signs = numbers.randbytes(count).translate(bytes(high | (byte & 0x80) for byte in range(256)))
    data[scale_at + 1 :: size] = signs
    return bytes(data)


def content(kind, shape):
    """The bytes of a tensor; matrices of one shape share them."""
    if kind == F32:
        return struct.pack("<f", 1) * shape[0]
    if (kind, shape) not in content.made:
        elements, deviation = math.prod(shape), 1 / math.sqrt(shape[0])
        content.made[kind, shape] = (
            blocks(elements // 32, 18, 0, deviation / 4.6)
            if kind == Q4_0
            else blocks(elements // 256, 210, 208, deviation / (74 * 18.5))
        )
    return content.made[kind, shape]


content.made = {}


def size(kind, shape):
    elements = math.prod(shape)
    return {F32: elements * 4, Q4_0: elements // 32 * 18, Q6_K: elements // 256 * 210}[kind]


def padding(length):
    return bytes(-length % ALIGNMENT)


def main(path):
    count, pairs = metadata()
    infos, end = [], 0
    for name, kind, shape in tensors():
        infos.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, end))
        end += size(kind, shape) + -size(kind, shape) % ALIGNMENT
    header = b"GGUF" + struct.pack("<IQQ", 3, len(infos), count) + pairs + b"".join(infos)
    temporary = path + ".tmp"
    with open(temporary, "wb") as file:
        file.write(header + padding(len(header)))
        for _, kind, shape in tensors():
            data = content(kind, shape)
            file.write(data + padding(len(data)))
    os.rename(temporary, path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: random_gguf.py FILE")
    main(sys.argv[1])
