"""Names of columns in tables of pictures, as `plain` writes them, and what stands in those of truth values."""

import re

FILE_COLUMNS = [
    "filename",
    "file_name",
    "file",
    "image",
    "image_path",
    "image_file",
    "imagepath",
    "filepath",
    "file_path",
    "path",
    "img",
    "img_path",
    "image_name",
    "img_name",
    "fname",
    "picture",
    "photo",
    "relative_path",
    "image_index",
    "imagename",
    "source_ref",
    "image_url",
    "img_url",
]
ID_COLUMNS = ["image_id", "imageid", "img_id", "id", "id_code", "name", "uuid", "key", "isic_id", "stem"]
LABEL_COLUMNS = [
    "label",
    "labels",
    "class",
    "class_name",
    "classname",
    "category",
    "categories",
    "target",
    "breed",
    "species",
    "diagnosis",
    "dx",
    "level",
    "y",
    "tag",
    "tags",
    "label_name",
    "category_name",
    "class_label",
    "class_id",
    "label_id",
    "classid",
    "genre",
    "style",
    "variety",
    "type",
    "finding_labels",
    "emotion",
    "choice",
]
CERTAIN = ("label", "labels", "class", "class_name", "classname", "category", "breed", "species")
"""Columns of labels that leave nothing open, whatever else there is."""
SPLIT_COLUMNS = ["split", "subset", "set", "usage", "partition", "phase", "dataset", "data_set", "fold_name"]
NUMBERED_SPLITS = ("partition", "fold", "folds", "kfold", "cv_fold", "split", "set", "subset", "eval_partition")
"""Columns whose numbers part the pictures and name no classes."""
BOOLEAN_SPLITS = {
    "is_valid": "val", "is_val": "val", "is_validation": "val", "valid": "val", "validation": "val",
    "is_test": "test", "test": "test", "is_train": "train", "train": "train", "is_training_image": "train",
}  # fmt: skip
TRUE, FALSE = ("1", "true", "yes", "t", "y", "1.0"), ("0", "false", "no", "f", "n", "0.0", "")
OTHER_COLUMNS = (
    *("unnamed", "index", "width", "height", "bbox", "x", "y", "w", "h", "xmin", "ymin", "xmax", "ymax", "area", "url"),
)
TEXT_COLUMNS = (
    *("text", "caption", "captions", "sentence", "sentences", "description", "prompt", "comment", "title", "author"),
    *("license", "date", "time", "timestamp", "comments", "notes", "note", "query", "comment_number"),
)
"""Columns that say something of a picture which is not a class."""
PRESENCE_COLUMNS = (
    *("confidence", "present", "presence", "is_present", "exists", "value", "answer", "positive", "is_positive"),
    *("verified", "correct", "has_label", "applies"),
)
"""Columns that say of a row with a label whether the picture has it."""


def plain(name: str) -> str:
    """A column's name as it is compared: `Image Path`, `imagePath` and `image_path` are one."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip().strip("\ufeff"))
    return re.sub(r"[\s\-.]+", "_", spaced).lower().strip("_")
