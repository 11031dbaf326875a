"""Files that say what classes are called: `classes.txt`, `cat_to_name.json`, `imagenet_class_index.json`, ..."""

import ast
import csv
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from vitbench.files.parsing import Malformed, parse_json

WORDNET = re.compile(r"n\d{8}")
"""A synset of WordNet, as ImageNet names its classes."""
_CODE = re.compile(r"[A-Za-z]{0,6}[-_]?\d{1,9}")
_HOLDERS = (
    *("id2label", "label2id", "labels", "classes", "class_names", "class_to_idx", "idx_to_class", "names"),
    *("categories", "class_label", "label_names", "features", "label", "info", "default"),
)
"""Keys of JSON objects under which the names are kept, such as those of transformers' config.json."""
_NUMBER_KEYS = ("id", "index", "class_id", "category_id", "label", "supercategory_id", "number")
_NAME_KEYS = ("name", "display_name", "class_name", "label_name", "category_name", "title", "description")
_DEEPEST = 8
_PBTXT = re.compile(r"item\s*\{(?P<body>[^{}]*)\}")
_YAML_LINE = re.compile(r"^(?P<indent>\s*)(?:-\s*|['\"]?(?P<number>\d+)['\"]?\s*:\s*)(?P<name>.+?)\s*$")


@dataclass(frozen=True)
class ClassNames:
    """What a file says. `by_code` has the names of classes by what the file calls them: a number, a synset.

    `in_order` are names without numbers, the first of which may be that of class 0 or of class 1.
    """

    by_code: Mapping[str, str] = field(default_factory=dict)
    in_order: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.by_code or self.in_order)

    @property
    def by_number(self) -> dict[int, str]:
        """Those of `by_code` that are called by a number."""
        return {int(code): name for code, name in self.by_code.items() if code.isascii() and code.isdigit()}


def is_code(label: str) -> bool:
    """Whether a label is what programs call a class rather than a name: `7`, `00012`, `n01440764`, `c3`."""
    return bool(_CODE.fullmatch(label)) and label.isascii()


def parse_class_names(text: str, file: str) -> ClassNames:
    """The names in the text of a file called `file`; none where it says something else.

    A text has one name per line, or a code and a name (apart by tab, comma, colon or blank) in any order of lines and
    columns, with or without a header. JSON is a list of names or of objects, `{code: name}` or `{name: number}`, or
    holds one of these under a key such as `id2label`. YAML has them under `names:`, as YOLO and the cards of data
    sets do, and pbtxt in items, as TensorFlow does. Raises Malformed for text that begins as JSON and is none.
    """
    start = text.lstrip("\ufeff \t\r\n")[:1]
    ending = PurePosixPath(file).suffix.lower()
    if ending == ".json" or start in ("{", "["):
        return _of_value(_document(text, file))
    if ending in (".yaml", ".yml", ".md"):
        return _of_yaml(text)
    if _PBTXT.search(text):
        return _of_items(text)
    return _of_lines(text, ending in (".csv", ".tsv"))


def _document(text: str, file: str) -> object:
    try:
        return parse_json(text, file, allow_nan=True)
    except Malformed:
        # The list of ImageNet's names that goes around most is a dictionary of Python.
        if len(text) < 1_000_000:
            try:
                return ast.literal_eval(text.strip())
            except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError):
                pass
        raise


def _of_value(value: object, depth: int = 0) -> ClassNames:
    if isinstance(value, list) and value:
        if all(isinstance(name, str | int) and not isinstance(name, bool) for name in value):
            return ClassNames(in_order=tuple(str(name).strip() for name in value))
        return ClassNames(_of_objects(value))
    if not isinstance(value, dict) or not value or depth > _DEEPEST:
        return ClassNames()
    keys = [str(key).strip() for key in value]
    values = list(value.values())
    if all(map(is_code, keys)) and all(isinstance(one, str | list | tuple | dict) for one in values):
        return ClassNames(_by_code(keys, values))
    if all(isinstance(number, int | str) and not isinstance(number, bool) for number in values):
        codes = [str(number).strip() for number in values]
        if all(map(is_code, codes)) and len(set(codes)) == len(codes):
            return ClassNames(dict(zip(codes, keys, strict=True)))
    for holder in _HOLDERS:
        if isinstance(value.get(holder), list | dict) and (found := _of_value(value[holder], depth + 1)):
            return found
    # The dataset_infos.json of Hugging Face has the name of a configuration first.
    if len(value) == 1 and isinstance(values[0], dict):
        return _of_value(values[0], depth + 1)
    return ClassNames()


def _by_code(keys: list[str], values: list[Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in zip(keys, values, strict=True):
        if isinstance(value, list | tuple):
            # ImageNet's index has the synset and the name: ["n01440764", "tench"].
            parts = [str(part).strip() for part in value if isinstance(part, str)]
            name = parts[-1] if parts else ""
            found |= {part: name for part in parts[:-1] if WORDNET.fullmatch(part)}
        elif isinstance(value, dict):
            name = next((str(value[k]) for k in _NAME_KEYS if isinstance(value.get(k), str)), "")
        else:
            name = value
        found[key] = name.strip()
    return found if all(found.values()) else {}


def _of_objects(value: list[object]) -> dict[str, str]:
    """`[{"id": 1, "name": "cat"}, ...]`, as COCO's categories are."""
    found = {}
    for one in value:
        if not isinstance(one, dict):
            return {}
        code = next((str(one[k]) for k in _NUMBER_KEYS if isinstance(one.get(k), int | str)), "")
        name = next((str(one[k]) for k in _NAME_KEYS if isinstance(one.get(k), str)), "")
        if not name or not is_code(code) or code in found:
            return {}
        found[code] = name.strip()
    return found


def _of_items(text: str) -> ClassNames:
    """`item { id: 1 name: 'cat' }`, as TensorFlow's detectors have them."""
    found = {}
    for item in _PBTXT.finditer(text):
        number = re.search(r"\bid\s*:\s*(\d+)", item["body"])
        names = {key: name for key, _, name in re.findall(r"\b(\w*name)\s*:\s*(['\"])(.*?)\2", item["body"])}
        name = names.get("display_name") or names.get("name")
        if number and name:
            found[number[1]] = name
            if WORDNET.fullmatch(names.get("name", "")):
                found[names["name"]] = name
    return ClassNames(found)


def _of_yaml(text: str) -> ClassNames:
    """What stands under `names:`: a list in brackets, a line each with a dash, or number and name."""
    inline = re.search(r"^\s*names\s*:\s*\[(?P<names>[^\]]*)\]", text, re.MULTILINE)
    if inline:
        names = (one.strip().strip("'\"") for one in inline["names"].split(","))
        return ClassNames(in_order=tuple(name for name in names if name))
    inline = re.search(r"^\s*names\s*:\s*\{(?P<names>[^}]*)\}", text, re.MULTILINE)
    if inline:
        pairs = (one.partition(":") for one in inline["names"].split(",") if ":" in one)
        return ClassNames({code.strip(" '\"\n"): name.strip(" '\"\n") for code, _, name in pairs})
    by_code: dict[str, str] = {}
    in_order = []
    # A card may name features first (`- name: label`), and the classes below one of them.
    for after in re.split(r"^\s*names\s*:\s*$", text, flags=re.MULTILINE)[1:]:
        for line in after.strip("\n").split("\n"):
            match = _YAML_LINE.match(line.split(" #")[0])
            if match is None:
                break
            name = match["name"].strip("'\"")
            if match["number"] is None:
                in_order.append(name)
            else:
                by_code[match["number"]] = name
        if by_code or in_order:
            break
    return ClassNames(by_code) if by_code else ClassNames(in_order=tuple(in_order))


def _of_lines(text: str, is_table: bool) -> ClassNames:
    lines = [line.strip() for line in text.lstrip("\ufeff").split("\n")]
    lines = [line for line in lines if line and not line.startswith("#")]
    for rows in (lines, lines[1:]):  # the first line may be a header
        if rows and (found := _paired(rows, _code_first)):
            return ClassNames(found)
    for rows in (lines, lines[1:]):
        # Names may end in a number of their own (Boeing 747), which counts nothing.
        if rows and (found := _paired(rows, _code_last)) and _count(found):
            return ClassNames(found)
    if is_table:
        if any("," in line or "\t" in line for line in lines):
            return ClassNames()  # of something else
        lines = lines[1:] if lines and lines[0].lower() in (*_NAME_KEYS, *_NUMBER_KEYS, "class", "labels") else lines
    return ClassNames(in_order=tuple(lines))


def _count(codes: Mapping[str, str]) -> bool:
    """Whether codes are synsets, or numbers that go up one by one from 0 or 1."""
    if all(map(WORDNET.fullmatch, codes)):
        return True
    numbers = sorted(int(code) for code in codes if code.isdigit())
    return len(numbers) == len(codes) and numbers[0] in (0, 1) and numbers[-1] - numbers[0] + 1 == len(numbers)


def _paired(lines: list[str], read: Callable[[str], tuple[str, ...]]) -> dict[str, str]:
    """Code to name where every line has both and no code comes twice; else nothing."""
    found: dict[str, str] = {}
    for line in lines:
        *codes, name = read(line) or ("",)
        if not codes or not name or any(code in found for code in codes):
            return {}
        found |= dict.fromkeys(codes, name)
    # Numbers on both sides are pairs of something else.
    return {} if all(is_code(name) for name in found.values()) else found


def _code_first(line: str) -> tuple[str, ...]:
    """`0,cat`, `n01440764 tench, Tinca tinca`; with two codes (`n02119789 1 kit_fox`) both."""
    code, *rest = _parts(line)
    if not rest or not is_code(code):
        return ()
    name = rest[0]
    number, *word = name.split(None, 1) if "\t" not in line and "," not in line else [name]
    if WORDNET.fullmatch(code) and number.isdigit() and word:
        return code, number, word[0]
    return code, name


def _code_last(line: str) -> tuple[str, ...]:
    """`cat 0`, `tench,n01440764`."""
    for separator in ("\t", ",", ":", None):
        name, *rest = [part.strip() for part in line.rsplit(separator, 1)]
        if rest and is_code(rest[0]) and name:
            return rest[0], name.strip("'\"")
    return ()


def _parts(line: str) -> list[str]:
    """A line at its first tab, comma (quoted as CSV has it), colon or blank, whichever follows the first word."""
    match = re.match(r"['\"]?[\w-]+['\"]?\s*([\t,;:]|\s)", line)
    if match is None:
        return [line]
    separator = match[1]
    if separator == ",":
        try:
            return [part.strip() for part in next(csv.reader(io.StringIO(line), skipinitialspace=True))][:2]
        except csv.Error:
            return [line]
    first, _, rest = line.partition(separator if separator in "\t;:" else match[0][-1])
    return [first.strip().strip("'\""), rest.strip().strip("'\"")] if rest.strip() else [line]
