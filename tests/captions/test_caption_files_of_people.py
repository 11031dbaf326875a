"""Caption files and masks as other programs write them; whatever is changed or left out is named."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitbench.captions.data_report import inspect_data
from vitbench.captions.fitting import Frame, fitted, fitted_masks
from vitbench.captions.formats.registry import formats
from vitbench.captions.formats.rows import Region
from vitbench.captions.index import CaptionIndex, open_captions
from vitbench.captions.tokenizer import CharacterTokenizer, tokenizer_from_dict, unfit_for_words
from vitbench.data.preprocessing import Preprocessing
from vitbench.errors import UserError
from vitbench.faithfulness.pictures import open_masks, seen_masks

PAIRS = {"a.jpg": "A dog runs on the grass", "b.jpg": "A cat sleeps on a mat", "c.jpg": "Two birds fly over water"}


def draw(folder: Path, *names: str, size: tuple[int, int] = (12, 8)) -> None:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (number * 20, 90, 30)).save(folder / name)


def said(index: CaptionIndex) -> dict[str, list[str]]:
    return {picture.file.name: list(picture.captions) for picture in index.pictures}


def write(folder: Path, name: str, document: object) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")


def coco(names: list[str], captions: list[str]) -> dict[str, object]:
    return {
        "images": [{"id": n, "file_name": name} for n, name in enumerate(names)],
        "annotations": [{"id": n, "image_id": n, "caption": text} for n, text in enumerate(captions)],
    }


def rows(pattern: str) -> str:
    return "".join(pattern.format(name=name, stem=name[:-4], text=text) + "\n" for name, text in PAIRS.items())


SAMPLES = {
    "karpathy": (
        "dataset.json",
        json.dumps({"images": [{"filename": n, "sentences": [{"raw": t}]} for n, t in PAIRS.items()]}),
    ),
    "coco": ("captions_train.json", json.dumps(coco(list(PAIRS), list(PAIRS.values())))),
    "caption-json": ("all.json", json.dumps([{"image": n, "caption": t} for n, t in PAIRS.items()])),
    "caption-metadata": ("metadata.csv", "file_name,text\n" + rows('{name},"{text}"')),
    "caption-txt": ("caption.txt", rows("### {name}\n{text}")),
    "flickr-tokens": ("x.token.txt", rows("{name}#0\t{text}")),
    "caption-table": ("captions.csv", "image,caption\n" + rows("{name},{text}")),
    "sidecars": ("a.txt", "A dog runs on the grass\n"),
}  # fmt: skip


def test_each_format_has_a_sample():
    assert {one.name for one in formats()} == set(SAMPLES)


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("other", [*SAMPLES, ""])
def test_the_sample_of_a_format_is_given_to_all(tmp_path, name, other):
    draw(tmp_path, *PAIRS)
    (tmp_path / SAMPLES[name][0]).write_text(SAMPLES[name][1])
    if other in ("", name):
        index = open_captions(tmp_path, layout=other)
        assert said(index) == (
            {"a.jpg": [PAIRS["a.jpg"]]} if name == "sidecars" else {n: [t] for n, t in PAIRS.items()}
        )
        assert not index.problems
        assert not index.notes
        return
    refused = ""
    try:
        assert said(open_captions(tmp_path, layout=other)) == {n: [t] for n, t in PAIRS.items()}
    except UserError as error:
        refused = str(error)
    assert not refused or other in refused or "no such picture" in refused or "no usable caption" in refused


TEXTS = {
    "list": json.dumps([{"image": n, "caption": [t, t]} for n, t in PAIRS.items()]),
    "list of file_name": json.dumps([{"file_name": n, "text": t} for n, t in PAIRS.items()]),
    "by name": json.dumps({n: [t] for n, t in PAIRS.items()}),
    "by name, one each": json.dumps(PAIRS),
    "inside": json.dumps({"annotations": [{"image": f"some/where/{n}", "caption": t} for n, t in PAIRS.items()]}),
    "words": json.dumps([{"image": n, "caption": t.split()} for n, t in PAIRS.items()]),
    "without ending": json.dumps([{"image_id": n[:-4], "caption": t} for n, t in PAIRS.items()]),
}


@pytest.mark.parametrize("name", TEXTS)
def test_json_without_a_standard(tmp_path, name):
    draw(tmp_path / "Images", *PAIRS)
    (tmp_path / "captions.json").write_text(TEXTS[name])
    assert {n: own[0] for n, own in said(open_captions(tmp_path)).items()} == PAIRS
    assert said(open_captions(tmp_path / "captions.json")) == said(open_captions(tmp_path))


def test_json_lines(tmp_path):
    draw(tmp_path, *PAIRS)
    (tmp_path / "train.jsonl").write_text(
        "".join(json.dumps({"image": n, "caption": t}) + "\n" for n, t in PAIRS.items())
    )
    assert said(open_captions(tmp_path)) == {n: [t] for n, t in PAIRS.items()}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions.tsv", "image\tcaption\n" + rows("{name}\t{text}")),
        ("captions.tsv", rows("{name}\t{text}")),
        ("captions.csv", "image;caption\n" + rows("{name};{text}")),
        ("captions.txt", "image,caption\r\n" + rows('{name},"{text}"\r')),
        ("captions.csv", "id,caption_0,caption_1\n" + rows("{stem},{text},")),
        ("x.token.txt", rows("{name}#zhm#0\t{text}")),
    ],
)
def test_tables_of_captions(tmp_path, name, text, encoding):
    draw(tmp_path / "Images", *PAIRS)
    (tmp_path / name).write_bytes(text.encode(encoding))
    assert said(open_captions(tmp_path)) == {n: [t] for n, t in PAIRS.items()}


def test_a_quoted_line_break_and_a_comma_are_part_of_a_caption(tmp_path):
    draw(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "captions.txt").write_text(
        'image,caption\na.jpg,"A dog runs on\nthe grass"\nb.jpg,A cat\nc.jpg,One, two,three\n'
    )
    assert said(open_captions(tmp_path)) == {
        "a.jpg": ["A dog runs on the grass"], "b.jpg": ["A cat"], "c.jpg": ["One, two,three"],
    }  # fmt: skip


def test_bars_in_captions_and_a_list_in_a_cell(tmp_path):
    draw(tmp_path / "f", "a.jpg", "b.jpg")
    (tmp_path / "f" / "results.csv").write_text(
        "image_name| comment_number| comment\na.jpg| 0| A man | a woman in blue\nb.jpg| 0| A dog\n"
    )
    assert said(open_captions(tmp_path / "f")) == {"a.jpg": ["A man | a woman in blue"], "b.jpg": ["A dog"]}
    draw(tmp_path / "g", "a.jpg")
    (tmp_path / "g" / "all.csv").write_text('raw,split,filename\n"[""A dog ."", ""One dog .""]",train,a.jpg\n')
    assert said(open_captions(tmp_path / "g")) == {"a.jpg": ["A dog .", "One dog ."]}


def test_only_a_line_feed_ends_a_line(tmp_path):
    draw(tmp_path, "a.jpg", "b.jpg")
    (tmp_path / "x.token.txt").write_text("a.jpg#0\tA dog\u2028runs\nb.jpg#0\tA cat\x85sits\n", encoding="utf-8")
    index = open_captions(tmp_path)
    assert said(index) == {"a.jpg": ["A dog runs"], "b.jpg": ["A cat sits"]}
    assert [note.partition(":")[0] for note in index.notes] == ["x.token.txt, line 1", "x.token.txt, line 2"]


@pytest.mark.parametrize("name", ["captions.txt", "a.txt"])
def test_latin_text_is_read_and_said(tmp_path, name):
    draw(tmp_path, "a.jpg", "b.jpg")
    text = "A café in España\n" if name == "a.txt" else "image,caption\na.jpg,A café in España\nb.jpg,A dog\n"
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    index = open_captions(tmp_path)
    assert said(index)["a.jpg"] == ["A café in España"]
    assert any("cp1252" in note for note in index.notes)


def test_two_pictures_of_one_id_are_left_out_by_name(tmp_path):
    draw(tmp_path, *PAIRS)
    document = coco(list(PAIRS), list(PAIRS.values()))
    document["images"][1]["id"] = 0
    document["annotations"][1]["image_id"] = 0
    write(tmp_path, "captions_train.json", document)
    index = open_captions(tmp_path)
    assert said(index) == {"c.jpg": [PAIRS["c.jpg"]]}
    assert any("a.jpg, b.jpg have the same id" in problem for problem in index.problems)


@pytest.mark.parametrize(
    ("name", "document", "words"),
    [
        ("image_info.json", {"images": [{"id": 1, "file_name": "a.jpg"}], "categories": []}, "no list 'annotations'"),
        ("llava.json", [{"image": "a.jpg", "conversations": []}], "image, conversations"),
        ("data.json", {"info": {}, "words": ["a"]}, "has the keys info, words"),
        ("captions.json", {"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"}],
                           "annotations": [{"image_id": 1, "caption": "x"}]}, "same id"),
    ],
)  # fmt: skip
def test_what_was_found_and_what_is_missing(tmp_path, store, name, document, words):
    draw(tmp_path / "d", *PAIRS)
    write(tmp_path / "d", name, document)
    with pytest.raises(UserError, match=words):
        open_captions(tmp_path / "d")
    with pytest.raises(UserError, match=words):
        inspect_data(str(tmp_path / "d"), store)


def test_karpathy_with_tokens_only(tmp_path):
    draw(tmp_path, "a.jpg", "b.jpg")
    entries = [
        {"filename": n, "split": "train", "sentences": [{"tokens": ["a", "dog", n[0]]}]} for n in ("a.jpg", "b.jpg")
    ]
    write(tmp_path, "dataset.json", {"images": entries})
    index = open_captions(tmp_path)
    assert said(index) == {"a.jpg": ["a dog a"], "b.jpg": ["a dog b"]}
    assert "tokens only" in index.notes[0]


def test_scripts_without_blanks_are_said_and_have_a_tokenizer(tmp_path):
    captions = ["一只棕色的狗在草地上奔跑。", "茶色の犬が芝生の上を走っている", "สุนัขวิ่งบนหญ้า"]
    assert "caption.tokenizer" in unfit_for_words(captions)
    assert unfit_for_words(["A dog runs.", "Ein Hund läuft."]) == ""
    tokenizer = CharacterTokenizer.train([*captions, "a DSLR 相机"])
    for caption in captions[:2]:
        assert len(tokenizer.encode(caption)) > 8
        assert tokenizer.decode([tokenizer.start_id, *tokenizer.encode(caption), tokenizer.end_id]) == caption
    again = tokenizer_from_dict(tokenizer.to_dict())
    assert again.encode(captions[0]) == tokenizer.encode(captions[0])
    assert tokenizer.decode(tokenizer.encode("a DSLR 相机")) == "a dslr 相机"


def test_data_shows_captions_and_problems_of_masks(tmp_path, store):
    draw(tmp_path, "images/a.jpg", "images/b.jpg", size=(64, 48))
    images = [{"id": n, "file_name": f"{name}.jpg", "width": 64.0, "height": "48"} for n, name in enumerate("ab")]
    captions = [{"id": n, "image_id": n, "caption": "a red heart"} for n in (0, 1)]
    write(tmp_path, "annotations/captions_test.json", {"images": images, "annotations": captions})
    box = [8, 8, 40, 8, 40, 40, 8, 40]
    objects = [
        {"id": 1, "image_id": 0, "category_id": 1, "segmentation": [box, [32.0, 24.0]]},
        {"id": 2, "image_id": 0, "category_id": 1, "segmentation": {"size": [48.0, 64.0], "counts": [3072.0]}},
        {"id": 3, "image_id": 1, "category_id": 1, "segmentation": [], "bbox": [1, 1, 2, 2]},
        {"id": 4, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, float("nan"), 2, 3, 3]]},
    ]
    instances = {"images": images, "categories": [{"id": 1, "name": "heart"}], "annotations": objects}
    write(tmp_path, "annotations/instances_test.json", instances)
    found = inspect_data(str(tmp_path), store)
    text = found.report()
    assert "COCO captions with instances" in text
    for problem in (
        "polygon 1 of 2 is left out",
        "annotations[1]: it covers no pixel",
        "annotations[2]: no segmentation (only a box)",
        "annotations[3]",
    ):
        assert problem in text
    assert len(found.to_dict()["problems"]) == 4


def test_masks_follow_exif_and_scale_where_that_is_certain():
    mask = np.zeros((48, 64), dtype=bool)
    mask[0:10, 0:20] = True
    assert (fitted(mask, Frame(64, 48)) == mask).all()
    # Orientation 6 is turned clockwise: the upper left corner comes to the upper right.
    turned = fitted(mask, Frame(64, 48, 6))
    assert turned.shape == (64, 48)
    assert turned[0:20, 38:48].all()
    assert turned.sum() == mask.sum()
    # Drawn on the picture as it is seen.
    assert (fitted(mask.T, Frame(64, 48, 6)) == mask.T).all()
    doubled = np.kron(mask, np.ones((2, 2))).astype(bool)
    assert (fitted(doubled, Frame(64, 48)) == mask).all()
    assert (fitted(doubled, Frame(64, 48, 6)) == turned).all()
    for shape, frame in (((48, 64), Frame(60, 60)), ((48, 64), Frame(64, 48, 3)), ((40, 40), Frame(40, 40, 6))):
        with pytest.raises(UserError):
            fitted(np.ones(shape, dtype=bool), frame)


def test_one_bad_entry_costs_one_entry(tmp_path):
    draw(tmp_path, "a.png", size=(9, 6))
    good = [[0, 0, 4, 0, 4, 4, 0, 4]]
    regions = [
        Region("dog", good, 6, 9, "x: [0]"),
        Region("cat", 7, 6, 9, "x: [1]"),
        Region("cow", good, 0, 0, "x: [2]"),
    ]
    found = fitted_masks(tmp_path / "a.png", regions)
    assert [mask is not None for mask in found.masks] == [True, False, True]
    assert found.problems[0].startswith("x: [1]")


def test_trimaps_and_void_pixels_are_read_as_they_mean(tmp_path, store):
    draw(tmp_path, "images/cat_1.jpg", "images/dog_1.jpg", size=(8, 8))
    trimap = np.full((8, 8), 2, dtype=np.uint8)
    trimap[2:6, 2:6] = 3
    trimap[3:5, 3:5] = 1
    for name in ("cat_1", "dog_1"):
        (tmp_path / "annotations" / "trimaps").mkdir(parents=True, exist_ok=True)
        Image.fromarray(trimap).save(tmp_path / "annotations" / "trimaps" / f"{name}.png")
    data = open_masks(str(tmp_path), store)
    assert len(data.pictures) == 2
    (mask,) = seen_masks(data.pictures[0], Preprocessing(8, 8)).masks.values()
    assert mask.sum() == 16


def test_polygons_that_leave_the_picture_and_masks_of_nothing_are_said(tmp_path):
    draw(tmp_path, "images/a.jpg", "images/b.jpg", size=(64, 48))
    beyond = fitted_masks(tmp_path / "images/a.jpg", [Region("x", [[-10, 8, 40, 8, 40, 60]], 48, 64, "i.json: [0]")])
    assert beyond.masks[0] is not None
    assert beyond.problems == ["i.json: [0]: polygon 0 of 1 reaches 12 pixels beyond the picture, and is cut there"]
    edge = fitted_masks(tmp_path / "images/a.jpg", [Region("x", [[-1, 8, 40, 8, 40, 49]], 48, 64, "i.json: [0]")])
    assert not edge.problems
    boxes = {"heart": [8, 8, 40, 8, 40, 40, 8, 40], "frame": [-2, -2, 70, -2, 70, 50, -2, 50]}
    objects = [
        {"id": n, "image_id": 1, "category_id": n, "segmentation": [box]} for n, box in enumerate(boxes.values())
    ]
    categories = [{"id": n, "name": name} for n, name in enumerate(boxes)]
    images = [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}]
    document = {"images": images, "categories": categories, "annotations": objects}
    write(tmp_path, "annotations/instances_test.json", document)
    (picture,) = open_masks(str(tmp_path), tmp_path).pictures
    looked = seen_masks(picture, Preprocessing(16, 16))
    assert list(looked.masks) == ["heart"]
    assert looked.problems[-1] == "a.jpg: the object frame covers all of what the network sees, and is left out"
