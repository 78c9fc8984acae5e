# SPDX-License-Identifier: Apache-2.0
"""Models with few and small layers, random weights, and their files."""

import os

import torch
from safetensors.torch import save_file
from tokenizer_files import write_json


def spread(module, seed, scale=None, dtype=torch.bfloat16):
    """Random weights under which every layer matters: unit-variance linear maps, norms near one. Rounded to `dtype`, kept as float32.

    `scale` maps the end of a parameter's name to its standard deviation.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            own = [deviation for end, deviation in (scale or {}).items() if name.endswith(end)]
            if own:
                p.copy_(noise * own[0])
            elif name.endswith("bias"):
                p.copy_(noise * 0.1)
            elif "embed" in name and p.dim() != 4:
                p.copy_(noise * 0.7)
            elif p.dim() >= 2:
                p.copy_(noise / (p[0].numel() ** 0.5))
            else:  # norms and layer scales
                p.copy_(1 + noise * 0.2)
            p.copy_(p.to(dtype).float())
    return module.float().eval()


def save(path, tensors, dtype=torch.bfloat16):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    save_file({k: v.to(dtype).contiguous() for k, v in tensors.items()}, path, metadata={"format": "pt"})


def save_sharded(folder, tensors, parts, dtype=torch.bfloat16):
    """model-0000x-of-0000y.safetensors with their index."""
    names = list(tensors)
    each = -(-len(names) // parts)
    weight_map = {}
    for part in range(parts):
        file = f"model-{part + 1:05}-of-{parts:05}.safetensors"
        here = names[part * each : (part + 1) * each]
        save(os.path.join(folder, file), {n: tensors[n] for n in here}, dtype)
        weight_map.update(dict.fromkeys(here, file))
    size = sum(t.numel() * torch.finfo(dtype).bits // 8 for t in tensors.values())
    write_json(os.path.join(folder, "model.safetensors.index.json"), {"metadata": {"total_size": size}, "weight_map": weight_map})
