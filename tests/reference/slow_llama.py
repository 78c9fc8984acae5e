# SPDX-License-Identifier: Apache-2.0
"""The SentencePiece tokenizer that transformers 4.36 builds with use_fast=False, legacy=False, as VILA 1.0 and 1.5 load it.

transformers 5 has no such tokenizer any more; this restates its rule: special tokens cut the text, what is left enters SentencePiece
without its dummy prefix, the first piece of a text with a space in front.
"""

import re
import types

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

SPACE = "\u2581"


class SlowLlama:
    """`added` maps the tokens that cut the text to their ids, `named` lists those that tokenizer_config.json names (bos_token, ...)."""

    def __init__(self, model_file, added, named, bos, unk="<unk>", add_bos=True):
        proto = sentencepiece_model_pb2.ModelProto.FromString(open(model_file, "rb").read())
        proto.normalizer_spec.add_dummy_prefix = False
        self.model = sentencepiece.SentencePieceProcessor(model_proto=proto.SerializeToString())
        self.added, self.named, self.unk, self.add_bos = dict(added), set(named), unk, add_bos
        self.bos_token_id = self.added[bos]
        self.unk_length = len(self.model.encode(unk, out_type=str))

    def _pieces(self, text):
        if not text.startswith((SPACE, " ")):
            return self.model.encode(text, out_type=str)
        pieces = self.model.encode(self.unk + text, out_type=str)
        return pieces[self.unk_length :] if len(pieces) >= self.unk_length else pieces

    def _tokens(self, text):
        if not text:
            return []
        text = SPACE + text.replace(SPACE, " ")
        cut = "(" + "|".join(re.escape(s) for s in sorted(self.added, key=len, reverse=True)) + ")"
        tokens = []
        for part in re.split(cut, text):
            if part in self.added:
                tokens.append(part)
            elif part:
                tokens += self._pieces(part)
        if len(tokens) > 1 and tokens[0] == SPACE and tokens[1] in self.named:
            tokens = tokens[1:]
        return tokens

    def __call__(self, text):
        ids = [self.added[t] if t in self.added else self.model.piece_to_id(t) for t in self._tokens(text)]
        return types.SimpleNamespace(input_ids=([self.bos_token_id] if self.add_bos else []) + ids)

    def _join(self, pieces):
        if pieces and pieces[0].startswith(SPACE):
            pieces = [pieces[0][1:]] + pieces[1:]
        return self.model.decode_pieces(pieces)

    def decode(self, ids):
        """skip_special_tokens=True: the named tokens are left out, the other added ones stand between spaces."""
        names = {i: token for token, i in self.added.items()}
        texts, pieces = [], []
        for i in ids:
            token = names.get(i)
            if token is None:
                pieces.append(self.model.id_to_piece(i))
            elif token not in self.named:
                texts += [self._join(pieces), token] if pieces else [token]
                pieces = []
        if pieces:
            texts.append(self._join(pieces))
        return " ".join(texts)
