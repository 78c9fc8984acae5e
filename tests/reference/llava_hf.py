# SPDX-License-Identifier: Apache-2.0
"""LLaVA-1.5 as transformers runs it: LlavaForConditionalGeneration on the files of llava-hf."""

import json
import os

import goldens
import tokenizers
import torch
from sentencepiece import sentencepiece_model_pb2
from tokenizer_files import added, write_json
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast
from vila15 import describe


def llama_tokenizer(model_file, extra, metaspace):
    """tokenizer.json as transformers converts it from tokenizer.model: BPE with byte fallback, all splits of a piece as its merges.

    `metaspace` false: "▁" is put before each text by the normaliser, as in the released file; true: before the first by the
    pre-tokenizer.
    """
    proto = sentencepiece_model_pb2.ModelProto.FromString(open(model_file, "rb").read())
    vocab = {piece.piece: i for i, piece in enumerate(proto.pieces)}
    merges = []
    for i, piece in enumerate(proto.pieces):
        splits = [(piece.piece[:k], piece.piece[k:]) for k in range(1, len(piece.piece))]
        splits = [(a, b) for a, b in splits if a in vocab and b in vocab]
        merges += [(i, vocab[a], vocab[b], a, b) for a, b in splits]
    merges = [(a, b) for _, _, _, a, b in sorted(merges)]
    tokenizer = tokenizers.Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.add_special_tokens([tokenizers.AddedToken(t, normalized=False) for t in ["<unk>", "<s>", "</s>"]])
    if metaspace:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    else:
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", vocab["<s>"])]
    )
    tokenizer.add_special_tokens([tokenizers.AddedToken(t, normalized=False) for t in extra])
    return tokenizer


def write_tokenizer(folder, tokenizer):
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    ids = {t: tokenizer.token_to_id(t) for t in ["<unk>", "<s>", "</s>", "<image>", "<pad>"]}
    named = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(os.path.join(folder, "special_tokens_map.json"), named)
    write_json(os.path.join(folder, "added_tokens.json"), {t: ids[t] for t in ["<image>", "<pad>"]})
    write_json(
        os.path.join(folder, "tokenizer_config.json"),
        {
            "add_bos_token": True, "add_eos_token": False, "added_tokens_decoder": {str(i): added(t) for t, i in ids.items()},
            "clean_up_tokenization_spaces": False, "legacy": False, "model_max_length": 4096, "padding_side": "left",
            "processor_class": "LlavaProcessor", "sp_model_kwargs": {}, "tokenizer_class": "LlamaTokenizer",
            "trust_remote_code": False, "use_default_system_prompt": False,
        } | named,
    )  # fmt: skip
    return PreTrainedTokenizerFast(tokenizer_file=os.path.join(folder, "tokenizer.json"), **named)


def write_vectors(path, tokenizer, texts):
    """Ids with and without special tokens, and the text that the ids decode to without special tokens."""
    vectors = []
    for text in texts:
        ids = tokenizer(text).input_ids
        vectors.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=True)})
    with open(path, "w", encoding="utf-8") as out:
        note = "ids as transformers' fast tokenizer gives them, BOS in front; decoded without special tokens"
        out.write(json.dumps({"note": note, "count": len(vectors)})[:-1] + ', "vectors": [\n')
        out.write(",\n".join(json.dumps(v) for v in vectors) + "\n]}\n")
    print(f"  {len(vectors)} strings in {os.path.basename(path)}")


@torch.no_grad()
def run(folder, model, processor, tokenizer, images, prompts, eos_ids):
    """`prompts` maps names to (turns, text, files)."""
    vision = model.model
    pixels_of = {}
    for file, image in images.items():
        pixels = processor.preprocess(image, return_tensors="pt")["pixel_values"]
        features = vision.vision_tower(pixels, output_hidden_states=True).hidden_states[-2][:, 1:]
        projected = vision.multi_modal_projector(features)
        goldens.write_image(folder, file, pixel_values=pixels, vision_features=features, projected=projected)
        pixels_of[file] = pixels
    described = []
    placeholder = model.config.image_token_index if hasattr(model.config, "image_token_index") else model.config.image_token_id
    for name, (turns, text, files) in prompts.items():
        ids = tokenizer(text).input_ids
        count = (model.config.vision_config.image_size // model.config.vision_config.patch_size) ** 2
        wide = [t for i in ids for t in ([i] * count if i == placeholder else [i])]
        wide_ids = torch.tensor([wide])
        embeds = model.get_input_embeddings()(wide_ids)
        if files:
            tokens = model.get_image_features(pixel_values=torch.cat([pixels_of[file] for file in files]))
            tokens = getattr(tokens, "pooler_output", tokens)
            tokens = torch.cat([t.reshape(-1, embeds.shape[-1]) for t in tokens])
            embeds = embeds.masked_scatter((wide_ids == placeholder).unsqueeze(-1), tokens)
            whole = model(input_ids=wide_ids, pixel_values=torch.cat([pixels_of[file] for file in files])).logits
            assert torch.allclose(whole, model(inputs_embeds=embeds).logits, atol=1e-5)
        described.append(describe(name, "llava15", turns, files, text, ids, placeholder, embeds, len(files)))
        goldens.write_prompt(folder, name, model, embeds, lambda i: tokenizer.decode(i, skip_special_tokens=True), eos_ids)
    goldens.write_prompts(folder, placeholder, eos_ids, "llava15", described)
