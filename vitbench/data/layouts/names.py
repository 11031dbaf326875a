"""What names of folders and files tell: splits, masks beside pictures, wrappers, and names that are no class."""

import re
import unicodedata
from collections.abc import Iterable

_WORDS = {
    "train": (
        "train training trn trainval learn learning labeled labelled 训练 訓練 學習 学習 学习 훈련 학습 обучение"
        " обучающая тренировка entrenamiento treino treinamento entrainement entraînement apprentissage addestramento"
        " trainings eğitim trening opleiding"
    ),
    "val": (
        "val valid validation validate validating dev devel validación validacion validação validacao validazione"
        " validierung validierungs validatie doğrulama walidacja валидация 验证 驗證 検証 검증"
    ),
    "test": (
        "test testing tst eval evaluation holdout pred predict prediction prueba pruebas teste testes тест тестовая"
        " 测试 測試 テスト 評価 테스트 시험"
    ),
    "unlabelled": "unlabelled unlabeled unlabel nolabel nolabels",
}
"""Words that stand for a split, in the languages in which people sort pictures."""
_SPLITS = {word: split for split, words in _WORDS.items() for word in words.split()}
_FILLERS = frozenset(
    [
        "set",
        "sets",
        "data",
        "dataset",
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "pics",
        "photos",
        "folder",
        "dir",
        "split",
        "splits",
        "files",
        "final",
        "seg",
        "subset",
        "sample",
        "samples",
        "original",
        "raw",
        "resized",
        "cropped",
        "small",
        "full",
        "list",
        "lists",
        "labels",
        "label",
        "gt",
        "annotations",
        "meta",
        "集",
        "数据",
        "数据集",
        "データ",
        "데이터",
        "fold",
        "rev",
        "jpg",
        "png",
        "jpeg",
    ]
)
_GLUED = re.compile(r"^(?P<split>[a-z]+?)(?:set|data|dataset|images|imgs|img|dir|daten|bilder|lists?|files?|ids|集)$")
_TEST_VARIANT = re.compile(r"test_[a-z]\w*")

MASK_FOLDERS = frozenset(
    [
        "masks",
        "mask",
        "annotations",
        "annotation",
        "trimaps",
        "trimap",
        "segmentations",
        "segmentation",
        "seg",
        "segs",
        "gt",
        "ground_truth",
        "groundtruth",
        "labels",
        "labelimages",
        "segmentationclass",
        "segmentationobject",
        "segmentationclassaug",
        "mask_png",
        "masks_png",
        "label_png",
        "label",
        "matte",
        "mattes",
        "alpha",
        "alphas",
        "silhouettes",
    ]
)
"""Folders that hold a picture of the truth for each picture beside them (lower case)."""

_ONLY_MASKS = frozenset(
    ["masks", "trimaps", "segmentations", "segmentationclass", "segmentationobject", "segmentationclassaug"]
)
MASK_ENDINGS = ("_mask", "-mask", ".mask", "_seg", "_gt", "_segmentation", "_trimap", "_label", "_matte", "_alpha")
_MASK_BEGINNINGS = ("mask_", "mask-", "gt_")
_GROUND_TRUTH = re.compile(r"_ground_?truth$")
_OF_MASKS = re.compile(r"_(ground_?truth|masks|segmentations?|annotations|labels)$")
"""Folders of masks of one split or task: `train_masks`, `ISIC2018_Task1_Training_GroundTruth`."""
_NUMBERED_MASK = re.compile(r"^(?P<stem>.+)_mask_\d+$", re.IGNORECASE)

IMAGE_FOLDERS = frozenset(
    [
        "images",
        "image",
        "imgs",
        "img",
        "pictures",
        "pics",
        "photos",
        "photo",
        "jpegimages",
        "jpg",
        "jpeg",
        "png",
        "jpgs",
        "pngs",
        "frames",
        "files",
        "data",
        "dataset",
        "raw",
        "original",
        "originals",
        "all",
    ]
)
"""Folders that say no more than that pictures are in them (lower case)."""

ASIDE_FOLDERS = frozenset(
    [
        "docs",
        "doc",
        "figures",
        "figs",
        "assets",
        "screenshots",
        "preview",
        "previews",
        "thumbnails",
        "thumbs",
        "readme_files",
        "logs",
        "output",
        "outputs",
        "results",
        "notebooks",
        "plots",
        "runs",
        "checkpoints",
        "backup",
        "tmp",
        "temp",
        "cache",
        "__pycache__",
    ]
)
"""Folders of what work on pictures leaves beside them (lower case)."""
_SOURCES = re.compile(
    r"(cam(era)?|view|part|batch|fold|folder|group|session|device|subject|patient|person|user|site|source|scene|video|"
    r"clip|day|week|date|dir|chunk|shard|archive|disk|vol(ume)?|split)s?[-_ ]?[a-z0-9]{0,3}",
)
_CAMERA = re.compile(
    r"dcim|camera[ _]?(roll|uploads?)|(whatsapp|telegram)[ _]images|screenshots?|[1-9]\d\d(canon|apple|nikon|_pana|"
    r"msdcf|olymp|_fuji|gopro|andro|media|casio|pentx|kodak|ricoh|leica|sigma|photo|dicam|eos[a-z0-9]{2}|"
    r"ncd\d\d|nd\w{3}|nc\w{3}|d\d{4})",
)
"""Folders that cameras and phones make (the DCF standard's DCIM/100CANON)."""
_DATE = re.compile(r"(19|20)\d\d([-_.]?\d\d){0,2}")
_GENERIC = re.compile(
    r"(img|image|imgs|images|dsc|dscn|dscf|dcim|pxl|mvi|gopr|photo|pic|picture|frame|screenshot|screen|scan|file|"
    r"whatsapp image|untitled|unnamed|sample|test|train|val|ilsvrc2012[_ ]?(val|test)|p|pic)?[-_ .\d]*(at)?[-_ .\d]*",
    re.IGNORECASE,
)


_TWINS = str.maketrans(
    "АВЕЅІЈКМНОРСТХУаеѕіјорсухһԁԛԝӏΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορυχι",
    "ABESIJKMHOPCTXYaesijopcyxhdqwlABEZHIKMNOPTYXavopuxi",
)
"""Cyrillic and Greek letters that look like Latin ones (of the confusables of Unicode's UTS 39)."""


def split_of(name: str) -> str | None:
    """The split that a folder or table of this name stands for: train, val, test, test_heldout; None if none.

    Sizes, years and words such as "set" or "images" do not matter (`train_50`, `val2017`, `Training Set`,
    `seg_train`). Only a test split has variants of its own: a class may well be called train_station.
    """
    name = unicodedata.normalize("NFKC", name)
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", " ", name).lower()
    words = [word for word in re.split(r"[\W\d_]+", spaced) if word]
    found, others = set(), []
    for word in words:
        if split := _split_word(word):
            found.add(split)
        elif word not in _FILLERS:
            others.append(word)
    if len(found) == 2 and found == {"train", "val"} and "trainval" in "".join(words):
        found = {"train"}
    if len(found) != 1:
        return None
    split = found.pop()
    if not others:
        return split
    plain = name.lower().replace("-", "_")
    return plain if split == "test" and _TEST_VARIANT.fullmatch(plain) else None


def split_in_name(stem: str) -> str:
    """The split in the name of a table or list: `train`, `labels_test`, `images_variant_train`; empty if none."""
    found = {split for word in re.split(r"[\W_]+", stem) if (split := split_of(word))}
    return split_of(stem) or (found.pop() if len(found) == 1 else "")


def parts_of_one_set(names: Iterable[str]) -> dict[str, str]:
    """Names that are alike but for the splits in them, each with its split: `cars_train` and `cars_test`.

    Empty if no two are; of several such sets the first one.
    """
    alike: dict[str, dict[str, str]] = {}
    for name in names:
        if split := split_in_name(name):
            rest = "".join(word for word in re.split(r"[\W_]+", name.lower()) if split_in_name(word) != split)
            alike.setdefault(rest, {})[split] = name
    several = [found for found in alike.values() if len(found) > 1]
    return {name: split for split, name in several[0].items()} if several else {}


def _split_word(word: str) -> str | None:
    if word in _SPLITS:
        return _SPLITS[word]
    for ending in ("集", "数据", "資料", "データ", "用", "데이터"):
        if word.removesuffix(ending) in _SPLITS:
            return _SPLITS[word.removesuffix(ending)]
    glued = _GLUED.match(word)
    return _SPLITS.get(glued["split"]) if glued else None


def is_mask_folder(name: str) -> bool:
    """Whether a folder of this name may hold masks of the pictures beside it."""
    plain = name.lower().replace(" ", "_").replace("-", "_")
    return plain in MASK_FOLDERS or bool(_OF_MASKS.search(plain))


def holds_only_masks(name: str) -> bool:
    """Whether the name of a folder of masks leaves no doubt."""
    return name.lower() in _ONLY_MASKS or bool(_GROUND_TRUTH.search(name.lower()))


def pictured_by(stem: str) -> str | None:
    """The stem of the picture that a file `cat_mask`, `cat_mask_1` or `cat_seg` is the mask of; None if it is none."""
    numbered = _NUMBERED_MASK.match(stem)
    if numbered:
        return numbered["stem"]
    lower = stem.lower()
    if begun := next((start for start in _MASK_BEGINNINGS if lower.startswith(start) and lower != start), ""):
        return stem[len(begun) :]
    return next((stem[: -len(ending)] for ending in MASK_ENDINGS if lower.endswith(ending) and lower != ending), None)


def is_source(name: str) -> bool:
    """Whether a folder's name tells where pictures come from (a camera, a batch, a date) rather than what they show."""
    lower = name.lower()
    return any(pattern.fullmatch(lower) for pattern in (_SOURCES, _CAMERA, _DATE))


def is_generic(label: str) -> bool:
    """Whether what stands before a picture's number is what cameras and programs write: IMG, DSC, frame."""
    return bool(_GENERIC.fullmatch(label)) and not label.isdigit()


def why_no_class(name: str) -> str:
    """What is odd about a class of this name, as "is called like ..."; empty if nothing is."""
    lower = name.lower()
    if split_of(name):
        return "a split"
    if is_mask_folder(name):
        return "a folder of masks or annotations"
    if lower in IMAGE_FOLDERS:
        return "a folder of pictures of any kind"
    if lower in ASIDE_FOLDERS:
        return "a folder of results"
    return "a camera, a batch or a date" if is_source(name) and not name.isdigit() else ""


def looks_same(name: str) -> str:
    """What equals for names that a person takes for the same: they differ only in case, blanks, Unicode form, wide
    letters, letters of another script or signs without any width."""
    return equal_but_for_form(name.translate(_TWINS)).translate(_TWINS)


def equal_but_for_form(name: str) -> str:
    """What equals for names that differ only in case, blanks, Unicode form, wide letters or signs without width."""
    shown = "".join(" " if one.isspace() else one for one in unicodedata.normalize("NFKC", name) if not _is_unseen(one))
    return " ".join(shown.casefold().split())


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) == "Cf"


def readable(name: str) -> str:
    """A name with each byte that is not UTF-8 written as `\\xe9`, so that it can be printed, stored and compared."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
