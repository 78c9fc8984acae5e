# SPDX-License-Identifier: Apache-2.0
"""Imports single modules of a VILA checkout without its training dependencies.

A checkout is a folder with VILA's `llava` package in it. Modules of the package run as they are; what they import for training,
distribution, video or quantisation alone is replaced by empty stand-ins, so that a use of one of those fails with its name.
"""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import os
import sys
import types

import transformers.modeling_utils

# VILA imports this name, which later releases of transformers dropped.
if not hasattr(transformers.modeling_utils, "no_init_weights"):
    transformers.modeling_utils.no_init_weights = contextlib.nullcontext

# Never reached by inference on images.
STAND_INS = (
    "cv2", "deepspeed", "flash_attn", "hydra", "loguru", "pydantic", "qwix", "requests", "rich", "timm", "xgrammar",
    "llava.train", "llava.data", "llava.eval", "llava.model.language_model.llava_llama", "llava.model.quantization",
    "llava.model.utils.packing", "llava.model.multimodal_encoder.builder", "llava.model.multimodal_encoder.ps3_encoder",
    "llava.model.encoders.video", "llava.utils.distributed", "llava.utils.logging",
)  # fmt: skip

# Packages of the checkout whose __init__ pulls in everything; their modules are imported one by one.
HOLLOW = ("llava", "llava.model", "llava.utils", "llava.model.encoders", "llava.model.language_model", "llava.model.utils")


class _StandIn(types.ModuleType):
    """Any attribute is an empty class; modules below it exist too."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        if name == "make_list":
            return lambda value: list(value) if isinstance(value, (list, tuple)) else [value]
        if name == "logger":
            return types.SimpleNamespace(info=print, warning=print, error=print)
        if name == "get_pg_manager":
            return lambda: None
        return type(name, (), {"__init__": lambda self, *args, **kwargs: None})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, folder):
        self.folder = folder

    def find_spec(self, name, path=None, target=None):
        if any(name == stand_in or name.startswith(stand_in + ".") for stand_in in STAND_INS):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        # In later versions model/utils is a package, in earlier ones a module.
        if name in HOLLOW and os.path.isdir(self.path_of(name)):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def path_of(self, name):
        return os.path.join(self.folder, *name.split("."))

    def create_module(self, spec):
        module = _StandIn(spec.name)
        if spec.name in HOLLOW:
            module.__path__ = [self.path_of(spec.name)]
        return module

    def exec_module(self, module):
        pass


class Source:
    """The modules of one checkout; another one may be used after close()."""

    def __init__(self, folder, s2wrapper=None):
        self.finder = _Finder(folder)
        sys.meta_path.insert(0, self.finder)
        self.paths = [path for path in [folder, s2wrapper] if path]
        sys.path[:0] = self.paths

    def module(self, name):
        return importlib.import_module(name)

    def close(self):
        sys.meta_path.remove(self.finder)
        for path in self.paths:
            sys.path.remove(path)
        for name in [n for n in sys.modules if n == "llava" or n.startswith("llava.") or n.split(".")[0] in STAND_INS]:
            del sys.modules[name]
