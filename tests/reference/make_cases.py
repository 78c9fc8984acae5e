# SPDX-License-Identifier: Apache-2.0
"""Makes cases of tests/data/cases with VILA's own code and transformers; see README.md beside this file."""

import argparse
import os
import shutil
from types import SimpleNamespace

import llava_hf
import numpy
import nvila
import small_models
import text
import tokenizer_files
import torch
import vila15
from PIL import Image
from slow_llama import SlowLlama
from tokenizer_files import write_json
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM
from vila_source import Source

TORCH = {"torch_dtype": "bfloat16", "transformers_version": "4.36.2"}


def resize_across_first(resize):
    """Pillow's resize with the width done before the height, as releases before 13 always do."""

    def resized(image, size, *rest, **named):
        width, height = size
        return resize(resize(image, (width, image.height), *rest, **named), (width, height), *rest, **named)

    return resized


def open_images(options, *names):
    """From their decoded pixels: JPEG decoders differ."""
    return {name: Image.fromarray(numpy.load(os.path.join(options.images, name + ".rgb.npy"))) for name in names}


def llama_keys(**changes):
    return {
        "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
        "hidden_act": "silu", "hidden_size": 48, "initializer_range": 0.02, "intermediate_size": 96, "max_position_embeddings": 4096,
        "model_max_length": 4096, "model_type": "llama", "num_attention_heads": 6, "num_hidden_layers": 3, "num_key_value_heads": 6,
        "pad_token_id": 0, "pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_scaling": None, "rope_theta": 10000.0,
        "tie_word_embeddings": False, "tokenizer_model_max_length": 4096, "tokenizer_padding_side": "right", "use_cache": True,
    } | TORCH | changes  # fmt: skip


def siglip_keys(**changes):
    return {
        "architectures": ["SiglipVisionModel"], "attention_dropout": 0.0, "hidden_act": "gelu_pytorch_tanh", "hidden_size": 24,
        "image_size": 22, "intermediate_size": 48, "layer_norm_eps": 1e-06, "model_type": "siglip_vision_model",
        "num_attention_heads": 2, "num_channels": 3, "num_hidden_layers": 3, "patch_size": 4,
    } | TORCH | changes  # fmt: skip


def siglip_processor_keys(size, **changes):
    return {
        "do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
        "image_processor_type": "SiglipImageProcessor", "image_std": [0.5, 0.5, 0.5], "processor_class": "SiglipProcessor",
        "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"height": size, "width": size},
    } | changes  # fmt: skip


def projector_keys(kind):
    return {"architectures": ["MultimodalProjector"], "mm_projector_type": kind, "model_type": "v2l_projector"} | TORCH


def root_keys(name, llm, tower, projector, **changes):
    parts = {"llm_cfg": (llm, "llm"), "vision_tower_cfg": (tower, "vision_tower"), "mm_projector_cfg": (projector, "mm_projector")}
    return {
        "_name_or_path": f"./{name}", "architectures": ["LlavaLlamaModel"], "drop_path_rate": 0.0, "hidden_size": llm["hidden_size"],
        "image_aspect_ratio": "resize", "interpolate_mode": "linear", "mm_hidden_size": tower["hidden_size"], "mm_projector_lr": None,
        "mm_use_im_patch_token": False, "mm_use_im_start_end": False, "mm_vision_select_feature": "cls_patch",
        "mm_vision_select_layer": -2, "model_dtype": "torch.bfloat16", "model_type": "llava_llama", "num_video_frames": 8,
        "resume_path": f"./{name}", "s2": False, "s2_max_split_size": 336, "s2_scales": "336,672,1008",
        "transformers_version": "4.36.2", "tune_language_model": True, "tune_mm_projector": True, "tune_vision_tower": True,
        "vision_resolution": -1,
    } | {key: {"_name_or_path": f"./{folder}"} | config for key, (config, folder) in parts.items()} | changes  # fmt: skip


def write_three_folders(model, root, llm_config, llm, tower_config, tower, processor_config, projector_config, projector, generation):
    """The files of VILA1.5 and NVILA but for the tokenizer's."""
    write_json(os.path.join(model, "config.json"), root)
    write_json(os.path.join(model, "llm", "config.json"), llm_config)
    write_json(os.path.join(model, "llm", "generation_config.json"), generation | {"transformers_version": "4.36.2"})
    tensors = llm.state_dict()
    if llm_config["tie_word_embeddings"]:
        tensors.pop("lm_head.weight")
    small_models.save_sharded(os.path.join(model, "llm"), tensors, 2)
    write_json(os.path.join(model, "vision_tower", "config.json"), tower_config)
    write_json(os.path.join(model, "vision_tower", "preprocessor_config.json"), processor_config)
    small_models.save(os.path.join(model, "vision_tower", "model.safetensors"), tower.state_dict())
    write_json(os.path.join(model, "mm_projector", "config.json"), projector_config)
    small_models.save(os.path.join(model, "mm_projector", "model.safetensors"), projector.state_dict())


def make_llama(config, seed):
    # "type" and "rope_type" mean the same, as do the keys of earlier releases that transformers still takes.
    llm = LlamaForCausalLM(LlamaConfig(**{k: v for k, v in config.items() if k not in TORCH}, attn_implementation="eager"))
    return small_models.spread(llm, seed, {"lm_head.weight": 2.5 / config["hidden_size"] ** 0.5, "embed_tokens.weight": 1.0})


ONE = "<image>\nWhat is in the image?"
TWO = "<image>\n<image>\nDescribe the two images and say how they differ."
FEW = "<image> image 1 is a cat: 1.\n <image> image 2 is a dog: 22. <image>"
TALK = ["<image>\nWhat is in the image?", "A cat on a red sofa.", "Are there people? 有人吗？"]


def make_s2(options):
    """VILA1.5-3b-s2: SigLIP at two scales, merged features, mlp_downsample column by column, Llama-2 tokenizer."""
    folder = os.path.join(options.out, "vila15-s2-siglip")
    model = os.path.join(folder, "model")
    os.makedirs(os.path.join(model, "llm"))
    source = Source(options.vila15, options.s2wrapper)
    siglip = source.module("llava.model.multimodal_encoder.siglip.modeling_siglip")
    processing = source.module("llava.model.multimodal_encoder.siglip.image_processing_siglip")

    specials = {"<unk>": 0, "<s>": 1, "</s>": 2}
    tokenizer_model = os.path.join(model, "llm", "tokenizer.model")
    tokenizer_files.sentencepiece_model(tokenizer_model, 600)
    write_json(os.path.join(model, "llm", "tokenizer_config.json"), tokenizer_files.llama_config(specials))
    write_json(
        os.path.join(model, "llm", "special_tokens_map.json"),
        {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<unk>", "unk_token": "<unk>"},
    )
    llm_config = llama_keys(vocab_size=600)
    llm = make_llama(llm_config, 1)
    tower_config = siglip_keys()
    tower = siglip.SiglipVisionModel(siglip.SiglipVisionConfig(**tower_config))
    small_models.spread(tower, 2, {"position_embedding.weight": 0.5})
    args = {"mm_vision_select_layer": -2, "mm_vision_select_feature": "cls_patch", "s2_scales": "22,44", "s2_max_split_size": 22}
    projector = small_models.spread(vila15.projector_of(source, "mlp_downsample", 48, 48), 3)
    root = root_keys(
        "vila15-s2-siglip", llm_config, tower_config, projector_keys("mlp_downsample"), s2=True, s2_scales="22,44",
        s2_max_split_size=22, mm_hidden_size=48,
    )  # fmt: skip
    processor_config = siglip_processor_keys(44)
    write_three_folders(
        model, root, llm_config, llm, tower_config, tower, processor_config, projector_keys("mlp_downsample"), projector,
        {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0},
    )  # fmt: skip
    case = vila15.Vila15(
        source, llm, vila15.tower_of(source, "VisionTowerS2", tower, args), processing.SiglipImageProcessor(size={"height": 44, "width": 44}),
        projector, SlowLlama(tokenizer_model, specials, specials, "<s>"), "vicuna_v1", vila15_config(),
    )  # fmt: skip
    prompts = {
        "text_only": (["How many apples are on the table?"], []), "one_image": ([ONE], ["photo.png"]),
        "two_images": ([TWO], ["wide.png", "tall.jpg"]), "few_shot": ([FEW], ["photo.png", "gray.png", "tiny.png"]),
        "multi_turn": (TALK, ["square.jpg"]),
    }  # fmt: skip
    images = open_images(options, "photo.png", "wide.png", "tall.jpg", "gray.png", "tiny.png", "square.jpg")
    case.run(folder, "vicuna_v1", images, prompts, [2])
    source.close()


def vila15_config():
    return SimpleNamespace(image_aspect_ratio="resize", turn_mm_projector=False, mm_use_im_start_end=False)


def make_internvit(options):
    """VILA1.5-40b: InternViT with its last layer, a Yi tokenizer and model (7 query heads to a key head), hermes-2."""
    name = "vila15-internvit-yi"
    folder, model = os.path.join(options.out, name), os.path.join(options.out, name, "model")
    source = Source(options.vila15, options.s2wrapper)
    intern = source.module("llava.model.multimodal_encoder.intern.modeling_intern_vit")
    encoder = source.module("llava.model.multimodal_encoder.intern_encoder")

    # Yi writes the chat tokens into the SentencePiece model and puts no BOS in front.
    symbols = ["<|Human|>", "<|Assistant|>", "<|System|>", "<|im_start|>", "<|im_end|>"]
    tokenizer_model = os.path.join(model, "llm", "tokenizer.model")
    os.makedirs(os.path.dirname(tokenizer_model))
    tokenizer_files.sentencepiece_model(tokenizer_model, 640, symbols, "<|startoftext|>", "<|endoftext|>")
    specials = {"<unk>": 0, "<|startoftext|>": 1, "<|endoftext|>": 2, "<|im_start|>": 6, "<|im_end|>": 7}
    named = {"bos_token": "<|startoftext|>", "eos_token": "<|im_end|>", "pad_token": "<unk>", "unk_token": "<unk>"}
    write_json(
        os.path.join(model, "llm", "tokenizer_config.json"),
        tokenizer_files.llama_config(specials, add_bos_token=False, legacy=True, **named),
    )
    write_json(os.path.join(model, "llm", "special_tokens_map.json"), named)
    llm_config = llama_keys(
        vocab_size=640, hidden_size=56, num_attention_heads=7, num_key_value_heads=1, num_hidden_layers=2, rope_theta=5000000.0,
        eos_token_id=7,
    )  # fmt: skip
    llm = make_llama(llm_config, 14)
    tower_config = {
        "architectures": ["InternVisionModel"], "attention_dropout": 0.0, "drop_path_rate": 0.0, "dropout": 0.0, "hidden_act": "gelu",
        "hidden_size": 40, "image_size": 16, "initializer_factor": 0.1, "initializer_range": 1e-10, "intermediate_size": 80,
        "layer_norm_eps": 1e-06, "model_type": "intern_vit_6b", "num_attention_heads": 5, "num_channels": 3, "num_hidden_layers": 3,
        "patch_size": 4, "qk_normalization": True, "qkv_bias": False, "use_flash_attn": True,
    } | TORCH  # fmt: skip
    tower = intern.InternVisionModel(intern.InternVisionConfig(**(tower_config | {"use_flash_attn": False})))
    small_models.spread(tower, 12, {"position_embedding": 0.5, "class_embedding": 0.5})
    args = {"mm_vision_select_layer": -1, "mm_vision_select_feature": "patch"}
    projector = small_models.spread(vila15.projector_of(source, "mlp_downsample", 40, 56), 13)
    root = root_keys(
        name, llm_config, tower_config, projector_keys("mlp_downsample"), mm_vision_select_layer=-1, mm_vision_select_feature="patch"
    )
    processor_config = {"image_processor_type": "InternVisionPreprocessor"}
    write_three_folders(
        model, root, llm_config, llm, tower_config, tower, processor_config, projector_keys("mlp_downsample"), projector,
        {"bos_token_id": 1, "eos_token_id": 7, "pad_token_id": 0},
    )  # fmt: skip

    class Processor:
        """VILA's InternVisionPreprocessor, whose 448 pixels are written into it, at the side of this tower."""

        size = {"height": 16, "width": 16}

        def preprocess(self, image, return_tensors):
            return {"pixel_values": [encoder.build_transform(16)(image)]}

    case = vila15.Vila15(
        source, llm, vila15.tower_of(source, "VisionTower", tower, args), Processor(), projector,
        SlowLlama(tokenizer_model, specials, named.values(), "<|startoftext|>", add_bos=False), "hermes-2", vila15_config(),
    )  # fmt: skip
    prompts = {
        "text_only": (["How many apples are on the table?"], []), "one_image": ([ONE], ["photo.png"]),
        "two_images": ([TWO], ["wide.png", "tall.jpg"]), "few_shot": ([FEW], ["photo.png", "gray.png", "tiny.png"]),
        "multi_turn": (TALK, ["square.jpg"]),
    }  # fmt: skip
    images = open_images(options, "photo.png", "wide.png", "tall.jpg", "gray.png", "tiny.png", "square.jpg")
    case.run(folder, "hermes-2", images, prompts, [7])
    source.close()


def qwen2_keys(**changes):
    return {
        "architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "eos_token_id": 643, "hidden_act": "silu", "hidden_size": 48,
        "initializer_range": 0.02, "intermediate_size": 96, "max_position_embeddings": 32768, "max_window_layers": 28,
        "model_max_length": 8192, "model_type": "qwen2", "num_attention_heads": 6, "num_hidden_layers": 2, "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06, "rope_scaling": None, "rope_theta": 1000000.0, "sliding_window": None, "tie_word_embeddings": False,
        "tokenizer_model_max_length": 8192, "tokenizer_padding_side": "right", "use_cache": True, "use_sliding_window": False,
        "vocab_size": 648,
    } | TORCH | {"transformers_version": "4.46.0"} | changes  # fmt: skip


QWEN2_CHAT = (
    "{% for message in messages if message['content'] is not none %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
TRAINED = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "[BOS]", "[PAD]"]
MEDIA = ["<vila/sentinel>", "<image>", "<vila/video>"]


def make_nvila(options, name, seed, tower_kind, projector_kind, image_size, tokenizer, tied, root_changes, squares, tiled):
    """`tokenizer` writes the tokenizer's files into a folder and returns it; its first added token has id 643."""
    folder, model = os.path.join(options.out, name), os.path.join(options.out, name, "model")
    source = Source(options.nvila, options.s2wrapper)
    from transformers import Qwen2Config, Qwen2ForCausalLM, SiglipVisionConfig
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    siglip = source.module("llava.model.multimodal_encoder.siglip.modeling_siglip")
    tokens = tokenizer(os.path.join(model, "llm"))
    llm_config = qwen2_keys(tie_word_embeddings=tied)
    llm = Qwen2ForCausalLM(Qwen2Config(**{k: v for k, v in llm_config.items() if k not in TORCH}, attn_implementation="eager"))
    embed = 2.5 / 48**0.5 if tied else 1.0
    small_models.spread(llm, seed, {"lm_head.weight": 2.5 / 48**0.5, "embed_tokens.weight": embed})
    tower_config = siglip_keys(image_size=image_size, vision_use_head=False)
    tower = siglip.SiglipVisionModel(SiglipVisionConfig(**tower_config, attn_implementation="eager"))
    small_models.spread(tower, seed + 1, {"position_embedding.weight": 0.5})
    scales = root_changes.get("s2_scales", "448,896,1344")
    channels = 24 * (len(scales.split(",")) if tower_kind == "VisionTowerDynamicS2" else 1)
    projector = small_models.spread(vila15.projector_of(source, projector_kind, channels, 48), seed + 2)
    root = root_keys(
        name, llm_config, tower_config, projector_keys(projector_kind), mm_hidden_size=channels, mm_use_im_patch_token=True,
        s2_scales=scales, s2_max_split_size=448, s2_resize_output_to_scale_idx=-1, dynamic_s2=False, chat_template=None, fps=0.0,
        min_tiles=1, max_tiles=12, video_max_tiles=1, transformers_version="4.46.0",
    ) | root_changes  # fmt: skip
    write_three_folders(
        model, root, llm_config, llm, tower_config, tower, siglip_processor_keys(image_size), projector_keys(projector_kind), projector,
        {"bos_token_id": 643, "do_sample": True, "eos_token_id": [645, 643], "pad_token_id": 643, "temperature": 0.7, "top_p": 0.8},
    )  # fmt: skip
    args = {key: root[key] for key in ("mm_vision_select_layer", "mm_vision_select_feature", "s2_scales", "s2_max_split_size")}
    args["s2_resize_output_to_scale_idx"] = root["s2_resize_output_to_scale_idx"]
    config = SimpleNamespace(**root)
    config.s2_scales = [int(scale) for scale in scales.split(",")]

    class Processor:
        """SiglipImageProcessor with the attributes it had in transformers 4."""

        size = {"height": image_size, "width": image_size}

        def preprocess(self, image, return_tensors):
            return SiglipImageProcessorPil(size=self.size).preprocess(image, return_tensors=return_tensors)

    case = nvila.Nvila(
        source, llm, vila15.tower_of(source, tower_kind, tower, args), Processor(), projector, tokens, config
    )
    prompts = {
        "text_only": (["How many apples are on the table?"], []), "one_image": (["<image>What is in the image?"], ["photo.png"]),
        "line_ends": (["  <image>\n What is in the image? \n"], ["wide.png"]), "tall": (["Describe <image>"], ["tall.jpg"]),
        "image_only": (["<image>"], ["square.jpg"]),
        "two_images": (["<image><image>Describe the two images and say how they differ."], ["wide.png", "tall.jpg"]),
        "few_shot": (["Image 1: <image>\na cat.\nImage 2: <image>\nna\u00efve? <image>"], ["photo.png", "gray.png", "tiny.png"]),
        "multi_turn": (["<image>What is in the image?", " A cat on a red sofa.\n", "Are there people? 有人吗？"], ["square.jpg"]),
    }  # fmt: skip
    images = open_images(options, "photo.png", "wide.png", "tall.jpg", "gray.png", "tiny.png", "square.jpg")
    case.run(folder, "qwen2", images, squares, tiled, prompts, [643, 645])
    source.close()


def make_dynamic_s2(options):
    """NVILA-8B: tiles at three scales, mlp_downsample row by row; the media tokens lie in the tokenizer's files."""

    def tokenizer(folder):
        return tokenizer_files.write_qwen2(folder, 643, TRAINED + MEDIA, QWEN2_CHAT)

    texts = text.strings(["<|im_end|>", "<image>", "[PAD]"])
    make_nvila(
        options, "nvila-dynamic-s2", 21, "VisionTowerDynamicS2", "mlp_downsample", 16, tokenizer, False,
        {"image_aspect_ratio": "dynamic_s2", "dynamic_s2": True, "s2_scales": "16,32,48", "s2_max_split_size": 16},
        ["photo.png", "wide.png", "tiny.png"], ["photo.png", "wide.png", "tall.jpg", "square.jpg"],
    )  # fmt: skip
    folder = os.path.join(options.out, "nvila-dynamic-s2")
    saved = AutoTokenizer.from_pretrained(os.path.join(folder, "model", "llm"))
    llava_hf.write_vectors(os.path.join(folder, "tokenizer_vectors.json"), saved, texts)


def make_lite(options):
    """NVILA-Lite: tiles and a thumbnail, mlp_downsample_3x3_fix, tied head; the media tokens are added at load."""

    def tokenizer(folder):
        named = [{"name": "default", "template": QWEN2_CHAT}, {"name": "tool_use", "template": "{{ messages }}"}]
        return tokenizer_files.write_qwen2(folder, 643, TRAINED, named)

    make_nvila(
        options, "nvila-lite-dynamic", 31, "VisionTower", "mlp_downsample_3x3_fix", 20, tokenizer, True,
        {"image_aspect_ratio": "dynamic"}, ["photo.png", "wide.png", "tiny.png"], ["photo.png", "wide.png", "tall.jpg", "square.jpg"],
    )  # fmt: skip


def make_2x2(options):
    """LongVILA-R1: mlp_downsample_2x2_fix, one square an image; the chat template in a file of its own."""

    def tokenizer(folder):
        return tokenizer_files.write_qwen2(folder, 643, TRAINED + MEDIA, QWEN2_CHAT, in_config=False)

    make_nvila(
        options, "longvila-r1-2x2", 41, "VisionTower", "mlp_downsample_2x2_fix", 22, tokenizer, False, {"image_aspect_ratio": "resize"},
        ["photo.png", "wide.png", "tiny.png", "tall.jpg", "square.jpg", "gray.png"], [],
    )  # fmt: skip


def make_llava_hf(options):
    """LLaVA-1.5 of llava-hf: CLIP, shortest edge and centre crop, tokenizer.json of the LlamaTokenizerFast kind, padded vocabulary."""
    folder, model = os.path.join(options.out, "llava15-hf"), os.path.join(options.out, "llava15-hf", "model")
    from transformers import CLIPVisionConfig, LlavaConfig, LlavaForConditionalGeneration
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    os.makedirs(model)
    tokenizer_model = os.path.join(model, "tokenizer.model")
    tokenizer_files.sentencepiece_model(tokenizer_model, 600)
    tokenizer = llava_hf.write_tokenizer(model, llava_hf.llama_tokenizer(tokenizer_model, ["<image>", "<pad>"], False))
    text_config = {k: v for k, v in llama_keys(vocab_size=640, num_hidden_layers=2).items() if k not in TORCH}
    vision_config = {
        "hidden_act": "quick_gelu", "hidden_size": 32, "image_size": 30, "intermediate_size": 64, "layer_norm_eps": 1e-05,
        "model_type": "clip_vision_model", "num_attention_heads": 2, "num_channels": 3, "num_hidden_layers": 3, "patch_size": 6,
        "projection_dim": 32,
    }  # fmt: skip
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**vision_config), text_config=LlamaConfig(**text_config), image_token_index=600,
        vision_feature_layer=-2, vision_feature_select_strategy="default", projector_hidden_act="gelu", attn_implementation="eager",
    )  # fmt: skip
    llava = LlavaForConditionalGeneration(config)
    small_models.spread(
        llava, 51, {"lm_head.weight": 2.5 / 48**0.5, "embed_tokens.weight": 1.0, "class_embedding": 0.5}, torch.float16
    )
    write_json(
        os.path.join(model, "config.json"),
        {
            "architectures": ["LlavaForConditionalGeneration"], "ignore_index": -100, "image_token_index": 600, "model_type": "llava",
            "pad_token_id": 601, "projector_hidden_act": "gelu", "text_config": text_config | {"torch_dtype": "float16"},
            "tie_word_embeddings": False, "torch_dtype": "float16", "transformers_version": "4.36.0", "vision_config": vision_config,
            "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "vocab_size": 640,
        },
    )  # fmt: skip
    write_json(
        os.path.join(model, "preprocessor_config.json"),
        {
            "crop_size": {"height": 30, "width": 30}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
            "do_rescale": True, "do_resize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
            "image_processor_type": "CLIPImageProcessor", "image_std": [0.26862954, 0.26130258, 0.27577711],
            "processor_class": "LlavaProcessor", "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 30},
        },
    )  # fmt: skip
    write_json(os.path.join(model, "generation_config.json"), {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 601})
    # The names of llava-hf's files, which differ from those of today's modules.
    names = {"model.language_model.": "language_model.model.", "lm_head.": "language_model.lm_head.", "model.vision_tower.": "vision_tower."}
    names["model.multi_modal_projector."] = "multi_modal_projector."
    tensors = {}
    for key, value in llava.state_dict().items():
        before = next(name for name in names if key.startswith(name))
        tensors[names[before] + key[len(before) :]] = value
    vision = {k.replace("vision_tower.", "vision_tower.vision_model.") if "vision_model" not in k and k.startswith("vision_tower.") else k: v
              for k, v in tensors.items()}  # fmt: skip
    small_models.save_sharded(model, vision, 3, torch.float16)
    processor = CLIPImageProcessorPil(size={"shortest_edge": 30}, crop_size={"height": 30, "width": 30})
    prompts = {
        "text_only": (["How many apples are on the table?"], "USER: How many apples are on the table? ASSISTANT:", []),
        "one_image": ([ONE], f"USER: {ONE} ASSISTANT:", ["photo.png"]), "two_images": ([TWO], f"USER: {TWO} ASSISTANT:", ["wide.png", "tall.jpg"]),
        "few_shot": ([FEW], f"USER: {FEW} ASSISTANT:", ["photo.png", "gray.png", "tiny.png"]),
        "multi_turn": (TALK, f"USER: {TALK[0]} ASSISTANT: {TALK[1]}</s>USER: {TALK[2]} ASSISTANT:", ["square.jpg"]),
    }  # fmt: skip
    images = open_images(options, "photo.png", "wide.png", "tall.jpg", "gray.png", "tiny.png", "square.jpg")
    llava_hf.run(folder, llava, processor, tokenizer, images, prompts, [2])
    texts = text.strings(["<image>", "</s>", "<pad>"])
    llava_hf.write_vectors(os.path.join(folder, "tokenizer_vectors.json"), tokenizer, texts)
    # The other form that such files have: no normaliser, the space in front by the pre-tokenizer.
    os.makedirs(os.path.join(folder, "metaspace"))
    metaspace = llava_hf.llama_tokenizer(tokenizer_model, ["<image>", "<pad>"], True)
    metaspace = llava_hf.write_tokenizer(os.path.join(folder, "metaspace"), metaspace)
    llava_hf.write_vectors(os.path.join(folder, "metaspace_vectors.json"), metaspace, texts)


CASES = {
    "llava15-hf": make_llava_hf,
    "vila15-s2-siglip": make_s2,
    "vila15-internvit-yi": make_internvit,
    "nvila-dynamic-s2": make_dynamic_s2,
    "nvila-lite-dynamic": make_lite,
    "longvila-r1-2x2": make_2x2,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vila15", required=True, help="a checkout of NVlabs/VILA at fcd119c")
    parser.add_argument("--nvila", required=True, help="a checkout of NVlabs/VILA at b760c34")
    parser.add_argument("--s2wrapper", required=True, help="a checkout of bfshi/scaling_on_scales")
    parser.add_argument("--images", required=True, help="tests/data/images")
    parser.add_argument("--out", required=True, help="tests/data/cases")
    parser.add_argument("cases", nargs="*", help="cases to make; all if none is named")
    options = parser.parse_args()
    torch.set_num_threads(1)
    Image.Image.resize = resize_across_first(Image.Image.resize)
    for name in options.cases or CASES:
        print(name)
        shutil.rmtree(os.path.join(options.out, name), ignore_errors=True)
        CASES[name](options)


if __name__ == "__main__":
    main()
