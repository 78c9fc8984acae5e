# SPDX-License-Identifier: Apache-2.0
"""NVILA as its code runs it (b760c34): tiles, pyramid, projector, chat template, splice; the language model is transformers'.

The steps of generate_content() up to generate(), on the CPU and without its cast of the pixels to half precision.
"""

import types
from collections import defaultdict

import goldens
import torch


class Nvila:
    """The parts of a model in VILA's own classes. `config` has the root configuration's keys as attributes."""

    def __init__(self, source, llm, tower, processor, projector, tokenizer, config):
        arch = source.module("llava.model.llava_arch")
        basic = source.module("llava.model.encoders.image.basic")
        builder = source.module("llava.model.language_model.builder")
        self.mm_utils = source.module("llava.mm_utils")
        self.media = source.module("llava.utils.media")
        self.tokenize = source.module("llava.utils.tokenizer")
        self.constants = source.module("llava.constants")

        # The end of build_llm_and_tokenizer().
        tokenizer.stop_tokens = builder.infer_stop_tokens(tokenizer)
        tokenizer.stop_token_ids = tokenizer.convert_tokens_to_ids(tokenizer.stop_tokens)
        tokenizer.media_tokens, tokenizer.media_token_ids = self.constants.MEDIA_TOKENS, {}
        for name, token in self.constants.MEDIA_TOKENS.items():
            tokenizer.add_tokens([token], special_tokens=True)
            tokenizer.media_token_ids[name] = tokenizer.convert_tokens_to_ids(token)

        # VILA's loader resizes both tables to the tokenizer's length; the new rows belong to placeholders and to no answer.
        rows = llm.get_input_embeddings().weight.data
        more = max(0, len(tokenizer) - len(rows))
        llm.set_input_embeddings(torch.nn.Embedding.from_pretrained(torch.cat([rows, rows.new_zeros(more, rows.shape[1])])))

        class Vlm(arch.LlavaMetaModel, arch.LlavaMetaForCausalLM):
            device, training = torch.device("cpu"), False

        self.vlm = Vlm()
        self.vlm.llm, self.vlm.vision_tower, self.vlm.mm_projector = llm, tower, projector
        self.vlm.config, self.vlm.tokenizer, self.config = config, tokenizer, config
        encoder = types.SimpleNamespace(parent=self.vlm, start_tokens=None, end_tokens="\n")
        for method in ("embed_tokens", "_process_features"):
            setattr(encoder, method, types.MethodType(getattr(basic.BasicImageEncoder, method), encoder))
        self.vlm.encoders = {
            "image": lambda images, config: basic.BasicImageEncoder.forward(encoder, images, config)
        }
        self.tokenizer, self.processor = tokenizer, processor
        config.image_processor = processor

    def conversation(self, turns, images):
        left = list(images)
        messages = []
        for i, turn in enumerate(turns):
            texts = turn.split("<image>")
            parts = [texts[0]]
            for text in texts[1:]:
                parts += [left.pop(0), text]
            messages.append({"from": "gpt" if i % 2 else "human", "value": [part for part in parts if not part == ""]})
        return messages

    def prepare(self, turns, images):
        """Text, ids [1,n], media and their configuration."""
        conversation = self.conversation(turns, images)
        config, media_config = self.config, defaultdict(dict)
        media = self.media.extract_media(conversation, config=config)
        shown = media.get("image", [])
        if len(shown) == 1 and config.image_aspect_ratio == "dynamic":
            pixels = self.mm_utils.process_image(shown[0], config, None, enable_dynamic_res=True)
            conversation[0]["value"] = conversation[0]["value"].replace("<image>", "<image>\n" * pixels.shape[0])
        elif len(shown) == 1 and config.image_aspect_ratio == "dynamic_s2":
            pixels, block_sizes = self.mm_utils.process_image(shown[0], config, None, enable_dynamic_s2=True)
            media_config["image"]["block_sizes"] = [block_sizes]
        elif shown:
            pixels = self.mm_utils.process_images(shown, self.processor, config)
        if shown:
            media["image"] = list(pixels)
        texts, tokenizer_image_token = [], self.mm_utils.tokenizer_image_token
        self.tokenize.tokenizer_image_token = lambda text, *rest, **named: texts.append(text) or tokenizer_image_token(text, *rest, **named)
        ids = self.tokenize.tokenize_conversation(conversation, self.tokenizer, add_generation_prompt=True).unsqueeze(0)
        return texts[0], ids, media, media_config

    @torch.no_grad()
    def run(self, folder, template, images, squares, tiled, prompts, eos_ids):
        """`images` maps file names to PIL images; those of `squares` are written as one square, those of `tiled` as their tiles."""
        for file in squares:
            pixels = self.mm_utils.process_images([images[file]], self.processor, self.config)
            goldens.write_image(
                folder, file, pixel_values=pixels, vision_features=self.features(pixels), projected=self.vlm.encode_images(pixels)
            )
        for file in tiled:
            _, _, media, media_config = self.prepare(["<image>"], [images[file]])
            pixels = torch.stack(media["image"])
            tokens = self.vlm.encode_images(pixels, block_sizes=media_config["image"].get("block_sizes"))
            goldens.write_image(folder, file, tile_pixel_values=pixels, tile_projected=tokens)
        described = []
        placeholder = self.tokenizer.media_token_ids["image"]
        for name, (turns, files) in prompts.items():
            text, ids, media, media_config = self.prepare(turns, [images[file] for file in files])
            tokens = self.vlm.encoders["image"](media["image"], media_config["image"]) if files else []
            embeds, _, _ = self.vlm._embed(ids, media, media_config, None, None)
            described.append(describe(name, template, turns, files, text, ids[0].tolist(), placeholder, embeds, tokens))
            goldens.write_prompt(folder, name, self.vlm.llm, embeds, lambda i: self.tokenizer.decode(i, skip_special_tokens=True), eos_ids)
        goldens.write_prompts(folder, placeholder, eos_ids, template, described)

    def features(self, pixels):
        """What enters the projector: the tower's features, of dynamic_s2 once for each scale."""
        features = self.vlm.vision_tower(pixels)
        if not self.config.dynamic_s2:
            return features
        maps, _ = self.vlm.merge_features_for_dynamic_s2(features, [None] * len(features))
        return torch.cat([m.flatten(2).transpose(1, 2) for m in maps])


def describe(name, template, turns, files, text, ids, placeholder, embeds, tokens):
    """An entry of prompts.json. An image's span ends before the line end that its encoder puts behind its tokens."""
    spans, at, left = [], 0, [len(t) for t in tokens]
    for token in ids:
        if token == placeholder:
            spans.append([at, left[0] - 1])
            at += left.pop(0)
        else:
            at += 1
    assert at == embeds.shape[1] and not left, (at, embeds.shape, left)
    return {
        "name": name, "template": template, "turns": turns, "images": files, "prompt_text": text, "input_ids": ids,
        "sequence_length": at, "image_spans": spans,
    }  # fmt: skip
