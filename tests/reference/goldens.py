# SPDX-License-Identifier: Apache-2.0
"""Writes what tests/data/README.md describes: prompts.json, images/, golden/."""

import os

import numpy
import torch
from tokenizer_files import write_json

STEPS, ROWS = 24, 4


def write_array(path, tensor):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    numpy.save(path, numpy.ascontiguousarray(tensor.detach().float().numpy()))


def greedy(llm, embeds):
    """24 greedy ids after inputs [1,T,D], with the logits that chose each."""
    ids, rows, cache, step = [], [], None, embeds
    for _ in range(STEPS):
        out = llm(inputs_embeds=step, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        rows.append(out.logits[0, -1].float())
        ids.append(int(rows[-1].argmax()))
        step = llm.get_input_embeddings()(torch.tensor([ids[-1:]]))
    return ids, rows


def top5(row):
    best = torch.topk(torch.log_softmax(row.double(), -1), 5)
    return [{"id": int(i), "logprob": round(float(v), 6)} for v, i in zip(best.values, best.indices)]


def write_prompt(folder, name, llm, embeds, decode, eos_ids):
    ids, rows = greedy(llm, embeds)
    out = os.path.join(folder, "golden", name)
    write_array(os.path.join(out, "logits_fp32.npy"), torch.stack(rows[:ROWS]))
    margins = [float((best := torch.topk(row, 2).values)[0] - best[1]) for row in rows]
    write_json(
        os.path.join(out, "result.json"),
        {
            "greedy_fp32": ids, "greedy_text_fp32": decode(ids), "margin_fp32": [round(m, 6) for m in margins], "top5_fp32": top5(rows[0]),
            "eos_ids_hit": [i for i, token in enumerate(ids) if token in eos_ids],
        },
    )  # fmt: skip
    print(f"  {name}: {embeds.shape[1]} positions, logits std {float(torch.stack(rows).std()):.2f}, least margin {min(margins):.4f}")


def write_image(folder, file, **stages):
    for stage, tensor in stages.items():
        write_array(os.path.join(folder, "images", file, stage + ".npy"), tensor)


def write_prompts(folder, placeholder, eos_ids, template, prompts):
    write_json(
        os.path.join(folder, "prompts.json"),
        {
            "case": os.path.basename(folder), "image_placeholder_id": placeholder, "eos_ids": eos_ids, "template": template,
            "prompts": prompts,
        },
    )  # fmt: skip
