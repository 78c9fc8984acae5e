#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""PyTorch on the shapes of the GPU benchmark, what the GPU itself reaches, and the tables that lay both beside vila4j's figures.

peaks and measure need torch (measure transformers, too); join and --help need neither. Nothing is downloaded: weights are random.
"""
import argparse
import importlib.util
import inspect
import json
import os
import re
import sys
import time

MODELS = {
    "vila1.5-3b": dict(layers=32, hidden=2560, heads=20, kv_heads=20, ffn=6912, vocab=32000, theta=1e4, tower="siglip", down=2),
    "llama3-8b": dict(layers=32, hidden=4096, heads=32, kv_heads=8, ffn=14336, vocab=128256, theta=5e5, tower="siglip", down=2),
    "vila-7b": dict(layers=32, hidden=4096, heads=32, kv_heads=32, ffn=11008, vocab=32000, theta=1e4, tower="clip", down=1),
    "vila-13b": dict(layers=40, hidden=5120, heads=40, kv_heads=40, ffn=13824, vocab=32000, theta=1e4, tower="clip", down=1),
    "tiny": dict(layers=2, hidden=64, heads=4, kv_heads=2, ffn=96, vocab=100, theta=1e4, tower="tiny", down=2),
}
TOWERS = {
    "siglip": dict(hidden=1152, layers=27, heads=16, ffn=4304, patch=14, image=384),
    "clip": dict(hidden=1024, layers=24, heads=16, ffn=4096, patch=14, image=336),
    "tiny": dict(hidden=32, layers=1, heads=2, ffn=48, patch=14, image=56),
}
STAGES = {"8b": "llama3-8b", "3b": "vila1.5-3b", "13b": "vila-13b"}
PRECISIONS = {"fp16": 16, "fp8": 8, "int8": 8, "int4": 4.25}  # bits of a weight in the decoder's blocks


def whole_numbers(text):
    try:
        values = [int(part) for part in text.split(",")]
    except ValueError:
        values = []
    if not values or min(values) < 1:
        raise argparse.ArgumentTypeError(f'"{text}", expected whole numbers from 1 up, with commas between them')
    return values


def arguments(words):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    peaks = commands.add_parser("peaks", help="copy bandwidth and bf16 matrix peak")
    measure = commands.add_parser("measure", help="a model's sizes in transformers: SDPA, static cache, torch.compile")
    for command in (peaks, measure):
        command.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
        command.add_argument("--out", required=True, help="PREFIX of PREFIX.json and PREFIX.md")
    measure.add_argument("--model", required=True, choices=sorted(MODELS))
    measure.add_argument("--dtype", default="fp16", choices=["fp16", "bf16", "fp32"])
    measure.add_argument("--prefill", type=whole_numbers, default=[256, 1024, 4096])
    measure.add_argument("--at", type=whole_numbers, default=[300, 2000], help="positions before the tokens that are timed")
    measure.add_argument("--batch", type=whole_numbers, default=[1, 4, 16, 64])
    measure.add_argument("--tokens", type=int, default=32)
    measure.add_argument("--runs", type=int, default=5)
    measure.add_argument("--no-compile", action="store_true", help="without torch.compile")
    join = commands.add_parser("join", help="tables of all results of a folder of run.sh")
    join.add_argument("out")
    return parser.parse_args(words)


def block_parameters(shape):
    head = shape["hidden"] // shape["heads"]
    attention = 2 * shape["hidden"] ** 2 + 2 * shape["hidden"] * head * shape["kv_heads"]
    return shape["layers"] * (attention + 3 * shape["hidden"] * shape["ffn"])


def decode_bytes(shape, bits, at, batch):
    """What a step of `batch` sequences must read: the blocks' weights, the head in 16 bits, keys and values of 16 bits."""
    head = shape["hidden"] // shape["heads"]
    cache = 2 * 2 * shape["layers"] * shape["kv_heads"] * head
    return block_parameters(shape) * bits / 8 + 2 * shape["hidden"] * shape["vocab"] + batch * at * cache


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2


def write(prefix, figures, title):
    for path, text in ((prefix + ".json", json.dumps(figures, indent=2) + "\n"), (prefix + ".md", table_of(figures, title))):
        with open(path + ".new", "w") as file:
            file.write(text)
        os.replace(path + ".new", path)


def table_of(figures, title):
    rows = "".join(f"| {key} | {value:.4g} |\n" if isinstance(value, float) else f"| {key} | {value} |\n"
                   for key, value in figures.items())
    return f"### {title}\n\n| | |\n|---|---|\n{rows}\n"


def earlier(prefix, head):
    """What an earlier run of the same measurement has found, if anything."""
    try:
        with open(prefix + ".json") as file:
            found = json.load(file)
    except FileNotFoundError:
        return {}
    return found if all(found.get(key) == value for key, value in head.items()) else {}


class Clock:
    def __init__(self, torch, device):
        self.torch, self.device = torch, device

    def wait(self):
        if self.device == "cuda":
            self.torch.cuda.synchronize()

    def seconds(self, work, runs, before=lambda: None):
        for _ in range(2):  # torch.compile may compile a second time
            before()
            work()
        times = []
        for _ in range(runs):
            before()
            self.wait()
            start = time.perf_counter()
            work()
            self.wait()
            times.append(time.perf_counter() - start)
        return median(times)


def measure_peaks(options):
    import torch

    clock = Clock(torch, options.device)
    cuda = options.device == "cuda"
    size, side = (1 << 30, 8192) if cuda else (1 << 24, 512)
    a = torch.empty(size, dtype=torch.uint8, device=options.device)
    b = torch.empty_like(a)
    repeats = 20 if cuda else 1

    def copies():
        for _ in range(repeats):
            b.copy_(a)

    x = torch.randn(side, side, device=options.device, dtype=torch.bfloat16)
    y = torch.randn(side, side, device=options.device, dtype=torch.bfloat16)

    def products():
        for _ in range(repeats):
            torch.mm(x, y)

    figures = {
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "torch": torch.__version__,
        "copy_gb_per_second": 2e-9 * size * repeats / clock.seconds(copies, 5),
        "bf16_tflops": 2e-12 * side**3 * repeats / clock.seconds(products, 5),
    }
    write(options.out, figures, "What this GPU reaches: copying memory (read and written), bf16 matrices")


def make_language(torch, transformers, shape, positions, dtype, device):
    config = transformers.LlamaConfig(
        hidden_size=shape["hidden"], num_hidden_layers=shape["layers"], num_attention_heads=shape["heads"],
        num_key_value_heads=shape["kv_heads"], intermediate_size=shape["ffn"], vocab_size=shape["vocab"], rope_theta=shape["theta"],
        max_position_embeddings=positions, rms_norm_eps=1e-5, tie_word_embeddings=False, bos_token_id=0, eos_token_id=1,
        pad_token_id=0)
    config._attn_implementation = "sdpa"
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            model = transformers.LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(before)
    return model.eval()


def make_tower(torch, transformers, name, dtype, device):
    shape = TOWERS[name]
    common = dict(hidden_size=shape["hidden"], num_hidden_layers=shape["layers"], num_attention_heads=shape["heads"],
                  intermediate_size=shape["ffn"], patch_size=shape["patch"], image_size=shape["image"])
    kind = "CLIPVision" if name == "clip" else "SiglipVision"
    config = getattr(transformers, kind + "Config")(**common)
    config._attn_implementation = "sdpa"
    return getattr(transformers, kind + "Model")(config).to(device=device, dtype=dtype).eval()


def make_projector(torch, shape, dtype, device):
    tower, width = TOWERS[shape["tower"]], shape["hidden"]
    enters = tower["hidden"] * shape["down"] ** 2
    layers = [torch.nn.LayerNorm(enters)] if shape["down"] > 1 else []
    layers += [torch.nn.Linear(enters, width), torch.nn.GELU(), torch.nn.Linear(width, width)]
    return torch.nn.Sequential(*layers).to(device=device, dtype=dtype).eval()


def down_sampled(torch, features, down):
    """[1, n*n, c] to [1, m*m, c*down*down], the grid padded to a multiple of `down`."""
    if down == 1:
        return features
    side = int(round(features.shape[1] ** 0.5))
    grid = features.view(1, side, side, -1)
    rest = -side % down
    grid = torch.nn.functional.pad(grid, (0, 0, 0, rest, 0, rest))
    small = grid.shape[1] // down
    return grid.view(1, small, down, small, down, -1).permute(0, 1, 3, 2, 4, 5).reshape(1, small * small, -1)


def make_cache(transformers, model, batch, capacity, dtype, device):
    known = inspect.signature(transformers.StaticCache.__init__).parameters
    wanted = dict(config=model.config, max_batch_size=batch, batch_size=batch, max_cache_len=capacity, device=device, dtype=dtype)
    return transformers.StaticCache(**{key: value for key, value in wanted.items() if key in known})


def measure(options):
    import torch
    import transformers

    shape = MODELS[options.model]
    dtype = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[options.dtype]
    device, clock = options.device, Clock(torch, options.device)
    positions = max(options.prefill + [at + options.tokens + 8 for at in options.at])
    torch.manual_seed(0)
    figures = {"model": options.model, "dtype": options.dtype, "torch": torch.__version__, "transformers": transformers.__version__,
               "compiled": not options.no_compile, "block_parameters": block_parameters(shape)}
    figures = {**figures, **earlier(options.out, figures)}
    title = f"PyTorch: random weights of {options.model}, {options.dtype}"

    def note(key, value):
        figures[key] = value
        print(f"{key}: {value}", file=sys.stderr, flush=True)
        write(options.out, figures, title)

    def compiled(function, **how):
        return function if options.no_compile else torch.compile(function, **how)

    with torch.inference_mode():
        model = make_language(torch, transformers, shape, positions, dtype, device)
        takes_position = "cache_position" in inspect.signature(model.forward).parameters

        def forward(ids, position, cache):
            how = dict(cache_position=position) if takes_position else {}
            found = model(input_ids=ids, position_ids=position[None].expand(ids.shape[0], -1), past_key_values=cache,
                          use_cache=True, logits_to_keep=1, **how)
            return found.logits[:, -1].argmax(-1, keepdim=True)

        step = compiled(forward, mode="reduce-overhead", fullgraph=True)
        for at in options.at:
            for batch in options.batch:
                key = f"decode_at_{at}_batch_{batch}_ms"
                if key in figures:
                    continue
                try:
                    cache = make_cache(transformers, model, batch, at + options.tokens + 8, dtype, device)
                    ids = torch.randint(0, shape["vocab"], (batch, at), device=device)
                    forward(ids, torch.arange(at, device=device), cache)
                    token = torch.zeros(batch, 1, dtype=torch.long, device=device)
                    place = torch.tensor([at], device=device)
                    for _ in range(4):
                        step(token.clone(), place, cache)
                    times = []
                    for _ in range(options.tokens):
                        clock.wait()
                        start = time.perf_counter()
                        chosen = step(token.clone(), place, cache)
                        int(chosen[0, 0])  # the token reaches the host, as a caller wants it
                        times.append(time.perf_counter() - start)
                    note(key, 1e3 * median(times))
                    del cache
                except (torch.cuda.OutOfMemoryError, RuntimeError) as error:
                    note(key + "_failed", str(error).splitlines()[0])
        for length in options.prefill:
            if f"prefill_{length}_tflops" in figures:
                continue
            ids = torch.randint(0, shape["vocab"], (1, length), device=device)
            place = torch.arange(length, device=device)
            cache = make_cache(transformers, model, 1, length, dtype, device)
            fast = compiled(forward, dynamic=False)
            seconds = clock.seconds(lambda: fast(ids, place, cache), options.runs, cache.reset)
            note(f"prefill_{length}_ms", 1e3 * seconds)
            note(f"prefill_{length}_tflops", 2e-12 * length * block_parameters(shape) / seconds)
        del model
        if "image_ms" in figures:
            return
        tower = make_tower(torch, transformers, shape["tower"], dtype, device)
        projector = make_projector(torch, shape, dtype, device)
        side = TOWERS[shape["tower"]]["image"]
        pixels = torch.randn(1, 3, side, side, device=device, dtype=dtype)

        def encode(image):
            features = tower(image, output_hidden_states=True).hidden_states[-2]
            patches = (side // TOWERS[shape["tower"]]["patch"]) ** 2
            return projector(down_sampled(torch, features[:, -patches:], shape["down"]))

        look = compiled(encode)
        note("image_tokens", int(look(pixels).shape[1]))
        note("image_ms", 1e3 * clock.seconds(lambda: look(pixels), options.runs))


def read(folder, name):
    try:
        with open(os.path.join(folder, name + ".json")) as file:
            return json.load(file)
    except FileNotFoundError:
        return None


def nearest(figures, pattern, wanted):
    """The figure whose key's number is nearest to `wanted`, not more than a tenth away; with that number."""
    best = None
    for key, value in figures.items():
        found = re.fullmatch(pattern, key)
        if found and abs(int(found.group(1)) - wanted) <= wanted / 10:
            number = int(found.group(1))
            if best is None or abs(number - wanted) < abs(best[0] - wanted):
                best = (number, value)
    return best


def decode_ms(figures, at, batch):
    """The positions and milliseconds of a step of `batch` requests behind about `at` positions; None where not measured."""
    joined = nearest(figures, rf"requests_{batch}_at_(\d+)_ms", at)
    if joined or batch > 1:
        return joined
    return nearest(figures, r"decode_at_(\d+)_ms", at)


def joined(folder):
    """Rows of one model after another: a figure of vila4j in each precision beside PyTorch's and the GPU's own."""
    peaks = read(folder, "peaks") or {}
    rows = []
    for stage, name in STAGES.items():
        shape, torch = MODELS[name], read(folder, f"{stage}-pytorch") or {}
        ours = {p: f for p in PRECISIONS if (f := read(folder, f"{stage}-{p}")) is not None}

        def add(what, values, theirs, higher, shares):
            if not values and theirs is None:
                return
            row = {"model": name, "figure": what, "vila4j": values, "pytorch": theirs, "ratio": {}, "share": shares}
            for precision, value in values.items():
                if theirs and value:
                    row["ratio"][precision] = value / theirs if higher else theirs / value
            rows.append(row)

        for at in (300, 2000):
            for batch in (1, 4, 16, 64):
                values, shares = {}, {}
                for precision, figures in ours.items():
                    found = decode_ms(figures, at, batch)
                    if found is None:
                        continue
                    values[precision] = found[1]
                    if peaks.get("copy_gb_per_second") and found[1]:
                        read_bytes = decode_bytes(shape, PRECISIONS[precision], found[0], batch)
                        shares[precision] = read_bytes / (found[1] / 1e3) / (peaks["copy_gb_per_second"] * 1e9)
                add(f"decode behind {at}, batch {batch}, ms", values, torch.get(f"decode_at_{at}_batch_{batch}_ms"), False, shares)
        for length in (256, 1024, 4096):
            values = {p: f[1] for p, o in ours.items() if (f := nearest(o, r"prefill_(\d+)_tflops", length))}
            peak = peaks.get("bf16_tflops")
            add(f"prefill of {length}, TFLOP/s", values, torch.get(f"prefill_{length}_tflops"), True,
                {p: value / peak for p, value in values.items()} if peak else {})
        values = {p: o["image_ms"] for p, o in ours.items() if "image_ms" in o}
        add("an image, ms", values, torch.get("image_ms"), False, {})
        for key, what in (("first_token_ms", "first token, an image and 45 tokens, ms"),
                          ("first_token_second_turn_ms", "second turn, ms"), ("build_seconds", "building plans, s")):
            add(what, {p: o[key] for p, o in ours.items() if key in o}, None, False, {})
    return peaks, rows


def comparison(peaks, rows):
    text = "# Beside PyTorch and the GPU's own limits\n\n"
    if peaks:
        text += (f"{peaks['device']}: copying memory {peaks['copy_gb_per_second']:.0f} GB/s (read and written), bf16 matrices "
                 f"{peaks['bf16_tflops']:.0f} TFLOP/s (torch {peaks['torch']}).\n\n")
    text += ("In brackets: how many times PyTorch's speed, and the share of the measured bandwidth (decode) or matrix peak "
             "(prefill).\nPyTorch: transformers in fp16, SDPA, static cache, torch.compile.\n")
    model = None
    for row in rows:
        if row["model"] != model:
            model = row["model"]
            text += f"\n### {model}\n\n| | " + " | ".join(PRECISIONS) + " | PyTorch |\n|---|"
            text += "---|" * (len(PRECISIONS) + 1) + "\n"
        cells = []
        for precision in PRECISIONS:
            value = row["vila4j"].get(precision)
            notes = [f"{row['ratio'][precision]:.2f} x"] if precision in row["ratio"] else []
            notes += [f"{100 * row['share'][precision]:.0f} %"] if precision in row["share"] else []
            cells.append("" if value is None else f"{value:.4g}" + (f" ({', '.join(notes)})" if notes else ""))
        theirs = row["pytorch"]
        text += f"| {row['figure']} | " + " | ".join(cells) + " | " + (f"{theirs:.4g}" if theirs is not None else "") + " |\n"
    return text


def join(options):
    peaks, rows = joined(options.out)
    with open(os.path.join(options.out, "comparison.md"), "w") as file:
        file.write(comparison(peaks, rows))
    with open(os.path.join(options.out, "comparison.json"), "w") as file:
        json.dump({"peaks": peaks, "rows": rows}, file, indent=2)
        file.write("\n")


def main(words):
    options = arguments(words)
    if options.command == "join":
        return join(options)
    for needed in ["torch"] + (["transformers"] if options.command == "measure" else []):
        if importlib.util.find_spec(needed) is None:
            print(f"SKIPPED: python3 has no {needed}", file=sys.stderr)
            return 3
    if options.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            print("SKIPPED: torch sees no CUDA device", file=sys.stderr)
            return 3
    return measure_peaks(options) if options.command == "peaks" else measure(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
