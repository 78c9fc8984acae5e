# SPDX-License-Identifier: Apache-2.0
"""VILA1.5 as its code of July 2024 runs it (fcd119c): pictures, tower, projector, splice; the language model is transformers'."""

import types

import goldens
import torch


class Vila15:
    """The parts of a model in VILA's own classes. `conversation` names one of its templates."""

    def __init__(self, source, llm, tower, processor, projector, tokenizer, conversation, config):
        arch = source.module("llava.model.llava_arch")
        self.mm_utils = source.module("llava.mm_utils")
        self.conversation = source.module("llava.conversation").conv_templates[conversation]
        self.tokenizer, self.processor = tokenizer, processor

        class Vlm(arch.LlavaMetaModel, arch.LlavaMetaForCausalLM):
            device = torch.device("cpu")

        self.vlm = Vlm()
        self.vlm.llm, self.vlm.vision_tower, self.vlm.mm_projector, self.vlm.config = llm, tower, projector, config
        self.config = config

    def pixels(self, images):
        return self.mm_utils.process_images(images, self.processor, self.config)

    def prompt_text(self, turns):
        conversation = self.conversation.copy()
        for i, turn in enumerate(turns):
            conversation.append_message(conversation.roles[i % 2], turn)
        conversation.append_message(conversation.roles[1], None)
        return conversation.get_prompt()

    @torch.no_grad()
    def run(self, folder, template, images, prompts, eos_ids):
        """`images` maps file names to PIL images; `prompts` maps names to (turns, files)."""
        for file, image in images.items():
            pixels = self.pixels([image])
            features = self.vlm.vision_tower(pixels)
            goldens.write_image(
                folder, file, pixel_values=pixels, vision_features=features, projected=self.vlm.mm_projector(features)
            )
        described = []
        for name, (turns, files) in prompts.items():
            text = self.prompt_text(turns)
            ids = self.mm_utils.tokenizer_image_token(text, self.tokenizer, return_tensors="pt").unsqueeze(0)
            pixels = self.pixels([images[file] for file in files]) if files else None
            prepared = self.vlm.prepare_inputs_labels_for_multimodal(ids, None, None, None, None, pixels)
            embeds = prepared[4] if prepared[4] is not None else self.vlm.llm.get_input_embeddings()(ids)
            described.append(describe(name, template, turns, files, text, ids[0].tolist(), -200, embeds, len(files)))
            goldens.write_prompt(folder, name, self.vlm.llm, embeds, self.tokenizer.decode, eos_ids)
        goldens.write_prompts(folder, -200, eos_ids, template, described)


def describe(name, template, turns, files, text, ids, placeholder, embeds, images):
    """An entry of prompts.json for images that all take the same number of positions."""
    length = embeds.shape[1]
    spans, at = [], 0
    each = (length - len(ids) + images) // images if images else 0
    for token in ids:
        if token == placeholder:
            spans.append([at, each])
        at += each if token == placeholder else 1
    assert at == length, (at, length)
    return {
        "name": name, "template": template, "turns": turns, "images": files, "prompt_text": text, "input_ids": ids,
        "sequence_length": length, "image_spans": spans,
    }  # fmt: skip


def tower_of(source, kind, model, args):
    """VILA's VisionTower or VisionTowerS2 around a vision model."""
    tower = getattr(source.module("llava.model.multimodal_encoder.vision_encoder"), kind)("random", types.SimpleNamespace(**args))
    tower.vision_tower, tower.is_loaded = model, True
    return tower


def projector_of(source, kind, mm_hidden, hidden):
    module = source.module("llava.model.multimodal_projector.base_projector")
    config = types.SimpleNamespace(mm_hidden_size=mm_hidden, hidden_size=hidden)
    return module.MultimodalProjector(module.MultimodalProjectorConfig(kind), config)
