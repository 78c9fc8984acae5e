# SPDX-License-Identifier: Apache-2.0
"""The text that the small tokenizers are trained on, and strings to tokenise."""

TRAINING = """
A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers.
You are a helpful assistant. Answer the questions. What is in the image? Describe the two images and say how they differ.
The first picture shows a cat on a red sofa, the second picture shows a dog in the garden. There are three people in the photo.
How many apples are on the table? There are 12 apples and 345 pears, which makes 357 pieces of fruit in all; 1990 was a good year.
It's raining, so we don't go out; they're reading and I'll write. We've seen that she'd like tea, but he can't make it.
Der schnelle braune Fuchs springt über den faulen Hund. Où est la bibliothèque ? ¿Qué hay en la imagen? Привет, как дела?
这张图片里有什么？ 図の中に何がありますか。 그림에 무엇이 있나요? ما الذي يوجد في الصورة؟ naïve café coöperate résumé
for i in range(10):\n    print("value", i * 2)\n\tif x == 1 and y != 2: return {'key': [1, 2, 3]}
The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs. Please describe this scene in detail.
""" * 4

_SCRIPTS = [
    "Hello world", "What is in the image?", "Describe the picture, please.", "it's don't I'LL we've THEY'RE O'Neil", "straße Größe",
    "naïve café", "nai\u0308ve cafe\u0301", "Привет, мир!", "это 12345 слов", "你好，世界", "図の中に何がありますか。", "안녕하세요 세계",
    "\u1112\u1161\u11ab\u1100\u116e\u11a8", "مرحبا بالعالم", "שלום עולם", "สวัสดีชาวโลก", "नमस्ते दुनिया", "γειά σου Κόσμε", "Đặng Thị Ngọc",
    "İstanbul ıŞık", "\u212b \u2126 \ufb01 ﬀ ²³", "１２３ＡＢＣ", "٣٤٥ ४५६", "½ ¾ Ⅳ ⑨",
]  # fmt: skip
_EMOJI = ["🙂", "👍🏽", "👩‍👩‍👧‍👦", "🇩🇪🇫🇷", "☺️ ok", "a😀b", "🏳️‍🌈 x 🦄", "1️⃣2️⃣"]
_SPACE = [
    "", " ", "  ", "   ", "\n", "\n\n", "\n\n\n", " \n", "\n ", " \n ", "\t", "\t\t", "\r\n", "\r", "a  b", "a   b    c", "  a", "a  ", " a b ",
    "a\nb", "a\n\nb", "a \n b", "a\n  b", "a\t b", "x\u00a0y", "x\u2003y", "x\u3000y", "x\u200by", "\u2028z", "\v\f", "a\u0085b", "▁", "▁a", "a▁b", "▁ ▁",
    " ▁", "a ▁ b",
]  # fmt: skip
_ASCII = [
    "1", "12", "123", "1234", "3.14159", "1,000,000", "-5", "2024-01-31", "a1b2c3", "x=1;y=2", "C++", "f(x) -> y", "!!", "...", "?!?", "$5.99", "50%",
    "#tag @user", "https://example.org/a?b=c&d=e", "user@example.org", "path/to/file.txt", "C:\\dir\\f", "{'k': [1, 2]}", "<b>bold</b>", "/* c */ // d",
    "def f(x):\n    return x\n", "if (a && b) { c(); }", "\\n literal", "tab\\t", "~`^_|", "CamelCaseWord snake_case_word SCREAMING",
    "aaaaaaaaaaaaaaaa", "antidisestablishmentarianism", "The quick brown fox jumps over the lazy dog.", "'", "\"", "''", "'s", " 's", "x's's", "I'm.",
]  # fmt: skip
_ODD = ["\u0000", "a\u0000b", "\u0001\u001f", "\u007f", "\ufeffbom", "\u00ad", "e\u0301\u0323", "\u0323\u0301", "\U0010ffff", "\ue000", "\ufffd", "\u202eabc"]


def strings(specials):
    """Texts to tokenise; `specials` are tokens that are put into some of them."""
    plain = _SCRIPTS + _EMOJI + _SPACE + _ASCII + _ODD
    mixed = [a + b for a in ["Hello", " x", "日本", "🙂", "\n"] for b in plain[::4]]
    mixed += [a + " " + b for a in _SCRIPTS[::3] for b in _ASCII[::5]]
    held = []
    for token in specials:
        for form in ["{0}", "{0}{0}", "a{0}b", "a {0} b", "a  {0}  b", "\n{0}\n", " {0}", "{0} ", "{0}\n\nHello", "é{0}日", "{0}x {0}"]:
            held.append(form.format(token))
        held += [token[:-1], token[1:], "<" + token, token.upper()]
    seen = dict.fromkeys(plain + mixed + held)
    return list(seen)
