"""Text of unknown origin: its encoding is found, or asked for, and never replaced by question marks in silence."""

import codecs
import itertools
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from vitbench.errors import UserError
from vitbench.files.reading import Kind, read_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EAST_ASIAN = ("gb18030", "shift_jis", "euc_jp", "big5", "euc_kr")
_WESTERN = "cp1252"
_OF_ONE_BYTE = (
    *("cp1252", "cp1251", "cp1254", "cp1250", "koi8_r", "cp1253", "cp1256", "cp1255", "mac_roman", "cp850", "cp866"),
    "cp874",
)
"""In the order in which they count where several fit alike."""
_COMMON = {
    "cp1252": "áàâäãåæçéèêëíìîïñóòôöõøœúùûüÿßšž",
    "cp1253": "αοιετσνηυρπκμλωςθδίάόέύήώγ",
    "cp1255": "יוהלאתרבמשנעדחקםפטסצגכז",
    "cp1256": "اليومنرتبةعدسفهكقحجأ",
    "cp874": "กานรอลงดบปมยวสหทตคจพขชเแโใไะิีึืุู่้็ัำ์",
    **dict.fromkeys(("cp1251", "koi8_r", "cp866"), "оеаинтсрвлкмдпуяыгбзіїєў"),
    "cp1250": "áâăäąčćçďđéěęëíîłľĺňńóôöőřŕšśşťţúůűüýžźżß",
    "cp1254": "çğıöşüâîû",
    "mac_roman": "áàâäãåæçéèêëíìîïñóòôöõøœúùûüÿß",
    "cp850": "áàâäãåæçéèêëíìîïñóòôöõøúùûüß",
}
"""Letters outside ASCII that are frequent in the languages of an encoding."""
_FLUENT = 0.5
_MOST_WORDS = 2000
_SIGN_INSIDE = re.compile(r"(?<=[^\W\d_])[«»“”„‚‘…—•·°©®™€£¥§¶\xa0\xad¿¡](?=[^\W\d_])|(?<=[^\W\d_])[¿¡]")
"""A sign where no language has one: between two letters."""
_WORD = re.compile("[^\x00-\x40\\[-`{-\x7f«»“”„‚‘’…–—•·°©®™€£¥§¶\xa0\xad¿¡]+")
_COMMON_HAN = re.compile("[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7a3\uff00-\uffef\u3000-\u303f]")
_KANA = re.compile("[\u3040-\u30ff]")
# The characters that make up nearly all of common text; a wrong decoding gives rare ones.
_FREQUENT_HAN = frozenset(
    "的一是不了在人有我他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都"
    "然没日于起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此"
    "实回二理美点月明其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真"
    "听世气信北少关并内加化由却代军产入先山五太水万市眼体别处总才场师书比住员九笑性通目华报立马命张活难神数件安表原车白应路"
    "猫狗犬鸟鱼花红黄蓝绿黑图片个只辆匹跑坐站吃穿草男孩衣"
    "個這來國說們為時會過學對後還發當無開頭經樣現將與進實點種聲話兒間電門東車貓鳥魚紅黃藍綠圖張隻輛匹邊著裡馬"
)


@dataclass(frozen=True)
class Decoded:
    """A text with the encoding that it was read in; `doubt` says how sure that is, empty for UTF-8 and marked text."""

    text: str
    encoding: str
    doubt: str = ""


def read_decoded(file: Path, kind: Kind, encoding: str = "") -> Decoded:
    """The text of a file in the `encoding` that a person named, else in the one found.

    Raises UserError if it is no text in that encoding, and as `read_bytes` does.
    """
    return decode(read_bytes(file, kind), str(file), encoding)


def decode(content: bytes, name: str, encoding: str = "") -> Decoded:
    """As `read_decoded`, from the bytes of a file called `name`. Line breaks stay as they are.

    Raises UserError for bytes that are no text of the encoding that was named, or that their first bytes promise.
    """
    if encoding:
        return Decoded(_named(content, name, encoding), encoding)
    for mark, marked in _MARKS:
        if content.startswith(mark):
            try:
                return Decoded(content.decode(marked), marked)
            except UnicodeDecodeError as error:
                raise UserError(
                    f"{name} begins as {marked.upper()} text, but {_place(content, error)} is not."
                ) from error
    wide = _without_mark(content)
    if wide is not None:
        return wide
    try:
        return Decoded(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        where = _place(content, error)
    found = _local(content)
    text = content.decode(found, "replace")
    lost = text.count("\ufffd") - content.count(b"\xef\xbf\xbd")
    if lost > 0:
        found = "latin-1"
        text = content.decode(found)
    sample = next((word for word in re.findall(r"\S+", text) if not word.isascii()), "")[:40]
    return Decoded(text, found, f"is not UTF-8 ({where}) and was read as {found} (such as {sample})")


def _named(content: bytes, name: str, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except LookupError as error:
        raise UserError(
            f"There is no encoding {encoding!r}; use one such as utf-8, utf-16, cp1252, cp1251 or gb18030."
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(f"{name} is not {encoding} text: {_place(content, error)} is wrong.") from error
    return text.removeprefix("\ufeff")


def _place(content: bytes, error: UnicodeDecodeError) -> str:
    return f"line {content.count(bytes([10]), 0, error.start) + 1}"


def _without_mark(content: bytes) -> Decoded | None:
    """UTF-16 without a byte-order mark: in text of ASCII letters every other byte is 0."""
    start = content[:2000]
    if len(start) < 4 or len(content) % 2:
        return None
    even, odd = start[0::2].count(0), start[1::2].count(0)
    half = len(start) // 2
    for zeros, others, encoding in ((odd, even, "utf-16-le"), (even, odd, "utf-16-be")):
        if zeros > 0.4 * half and others < 0.05 * half:
            try:
                return Decoded(content.decode(encoding), encoding)
            except UnicodeDecodeError:
                return None
    return None


def _local(content: bytes) -> str:
    """The likeliest of the encodings that came before UTF-8, judged by the letters that come out."""
    scores: dict[str, float] = {}
    for encoding in _EAST_ASIAN:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        letters = [character for character in text if ord(character) > 127]
        if not letters:
            continue
        fitting = sum(bool(_COMMON_HAN.match(character)) for character in letters) / len(letters)
        frequent = sum(c in _FREQUENT_HAN or bool(_KANA.match(c)) or "\uac00" <= c <= "\ud7a3" for c in letters)
        kana_of_half_width = sum("\uff61" <= character <= "\uff9f" for character in letters) / len(letters)
        scores[encoding] = fitting - kana_of_half_width + frequent / len(letters)
    best = max(scores, key=lambda encoding: scores[encoding], default="")
    # Accented letters of the West stand alone among ASCII letters; those of two-byte encodings come in pairs, or as
    # signs between letters.
    high = sum(byte > 127 for byte in content)
    alone = len(re.findall(rb"(?<![\x80-\xff])[\x80-\xff](?![\x80-\xff])", content))
    single = max(_OF_ONE_BYTE, key=lambda encoding: _fluency(content, encoding))
    odd = _fluency(content, single) < _FLUENT
    if best and (scores[best] > 1.2 or (odd and scores[best] > 1)) and (alone * 4 < high or odd):
        return best
    return single


def _fluency(content: bytes, encoding: str) -> float:
    """How much the words with letters outside ASCII look like words in an encoding of one byte a letter, up to 1: all
    letters of one script, small ones but at the beginning, and no signs inside."""
    # Bytes that stand for nothing in it, such as 81 in Windows-1252, come as signs of control.
    text = content.decode(encoding, "replace")
    words = [word for word in _WORD.findall(text) if not word.isascii()][:_MOST_WORDS]
    points = [_like_a_word(word, _COMMON.get(encoding, "")) for word in words]
    return (sum(points) - len(_SIGN_INSIDE.findall(text))) / max(1, len(points))


def _like_a_word(word: str, common: str) -> float:
    scripts = {_script(letter) for letter in word}
    if len(scripts) > 1 or "" in scripts:
        return -2.0
    odd = [letter for letter in word if not letter.isascii()]
    rising = sum(one.islower() and other.isupper() for one, other in itertools.pairwise(word))
    capitals = sum(letter.isupper() for letter in word[1:]) * (0.3 if word.isupper() else 1)
    rare = sum(letter.lower() not in common for letter in odd) / len(odd) if common else 0.0
    # A Latin word is not made of accented letters alone.
    accented = len(odd) / len(word) if scripts == {"latin"} and len(word) > 2 and len(odd) * 2 > len(word) else 0.0
    # A Greek word has an accent, a Cyrillic one a vowel.
    needed = {"GREEK": "άέήίόύώΐΰΆΈΉΊΌΎΏ", "CYRILLIC": "аеёиоуыэюяіїєАЕЁИОУЫЭЮЯІЇЄ"}.get("".join(scripts), "")
    if needed and len(word) > 2 and not set(word) & set(needed):
        accented = 0.2
    return 1.0 - rising - 0.5 * capitals / len(word) - 0.5 * rare - accented


def _script(letter: str) -> str:
    """The script of a letter; empty for what is none."""
    if letter.isascii() or "\u00c0" <= letter <= "\u024f":
        return "latin" if letter.isalpha() else ""
    return unicodedata.name(letter, " ").split()[0] if letter.isalpha() or unicodedata.combining(letter) else ""
