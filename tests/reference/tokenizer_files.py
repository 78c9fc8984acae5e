# SPDX-License-Identifier: Apache-2.0
"""Small tokenizers in the files of the releases."""

import json
import os
import shutil
import tempfile

import sentencepiece
import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from transformers import AutoTokenizer

import text

QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3_SPLIT = QWEN2_SPLIT.replace(r"|\p{N}|", r"|\p{N}{1,3}|")


def write_json(path, value):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        json.dump(value, out, indent=2, ensure_ascii=False)
        out.write("\n")


def added(content, special=True):
    return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": special}


def sentencepiece_model(path, size, user_symbols=(), bos="<s>", eos="</s>"):
    """A Llama-style tokenizer.model: byte fallback, digits apart, nothing normalised."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = os.path.join(folder, "corpus.txt")
        with open(corpus, "w", encoding="utf-8") as out:
            out.write(text.TRAINING)
        sentencepiece.SentencePieceTrainer.train(
            input=corpus, model_prefix=os.path.join(folder, "t"), vocab_size=size, model_type="bpe", character_coverage=0.98,
            byte_fallback=True, split_digits=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
            allow_whitespace_only_pieces=True, user_defined_symbols=list(user_symbols), bos_piece=bos, eos_piece=eos, num_threads=1,
            minloglevel=2,
        )  # fmt: skip
        shutil.copyfile(os.path.join(folder, "t.model"), path)


def llama_config(specials, **changes):
    """tokenizer_config.json of a LlamaTokenizer; `specials` maps token to id."""
    config = {
        "add_bos_token": True, "add_eos_token": False, "added_tokens_decoder": {str(i): added(t) for t, i in specials.items()},
        "bos_token": "<s>", "clean_up_tokenization_spaces": False, "eos_token": "</s>", "legacy": False, "model_max_length": 4096,
        "pad_token": "<unk>", "padding_side": "right", "sp_model_kwargs": {}, "spaces_between_special_tokens": False,
        "tokenizer_class": "LlamaTokenizer", "unk_token": "<unk>", "use_default_system_prompt": False,
    }  # fmt: skip
    return config | changes


def byte_level(size, split, normalizer, specials):
    """A byte-level BPE tokenizer; specials get the ids after the trained ones."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(split), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False)
    tokenizer.train_from_iterator(text.TRAINING.splitlines(), trainer)
    tokenizer.add_special_tokens([tokenizers.AddedToken(token, normalized=False, special=True) for token in specials])
    return tokenizer


def write_qwen2(folder, size, specials, chat_template, in_config=True, **changes):
    """vocab.json, merges.txt, added_tokens.json, tokenizer_config.json, special_tokens_map.json. Returns the Hugging Face tokenizer."""
    os.makedirs(folder, exist_ok=True)
    tokenizer = byte_level(size, QWEN2_SPLIT, normalizers.NFC(), specials)
    trained = json.loads(tokenizer.to_str())["model"]
    write_json(os.path.join(folder, "vocab.json"), trained["vocab"])
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as out:
        out.write("#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in trained["merges"]))
    ids = {token: tokenizer.token_to_id(token) for token in specials}
    write_json(os.path.join(folder, "added_tokens.json"), ids)
    config = {
        "add_bos_token": False, "add_prefix_space": False, "added_tokens_decoder": {str(i): added(t) for t, i in ids.items()},
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"], "bos_token": "[BOS]",
        "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace", "legacy": False,
        "model_max_length": 8192, "pad_token": "[PAD]", "padding_side": "right", "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
    }  # fmt: skip
    config.update(changes)
    if in_config:
        config["chat_template"] = chat_template
    else:
        with open(os.path.join(folder, "chat_template.jinja"), "w", encoding="utf-8") as out:
            out.write(chat_template)
    write_json(os.path.join(folder, "tokenizer_config.json"), config)
    write_json(
        os.path.join(folder, "special_tokens_map.json"),
        {key: config[key] for key in ("additional_special_tokens", "bos_token", "eos_token", "pad_token")},
    )
    return AutoTokenizer.from_pretrained(folder, padding_side="right", use_fast=True, legacy=False)
