"""How good a map is: known masks, brute force, and a network whose answer hangs on known pixels."""

import json
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from vitbench.data.preprocessing import Preprocessing
from vitbench.data.scenes.export import write_scenes
from vitbench.errors import UserError
from vitbench.faithfulness import scores as quality
from vitbench.faithfulness.claims import claims, colourfulness, looks_of
from vitbench.faithfulness.curves import curves, pixel_order
from vitbench.faithfulness.pictures import open_masks, seen_masks
from vitbench.faithfulness.scores import score_map
from vitbench.faithfulness.study import shuffled_weights, study
from vitbench.faithfulness.table import method_table, to_csv, to_dict, to_markdown, to_text
from vitbench.models.network import Network
from vitbench.statistics import spearman

HEIGHT, WIDTH = 12, 20


@pytest.fixture
def mask():
    own = np.zeros((HEIGHT, WIDTH), dtype=bool)
    own[2:7, 11:19] = True
    return own


def test_the_mask_itself_scores_one_and_an_even_map_scores_chance(mask):
    perfect = score_map(mask.astype(float), mask)
    assert (perfect.pointing, perfect.ap, perfect.foreground_ap) == (1, 1, 1)
    assert (perfect.mass, perfect.rank, perfect.iou) == (1, 1, 1)
    assert [float(value) for value in quality.pixel_accuracy_and_miou(np.array(perfect.counts))] == [1, 1]
    even = score_map(np.full(mask.shape, 0.3), mask)
    for value in (even.pointing, even.foreground_ap, even.mass, even.rank):
        assert value == pytest.approx(mask.mean(), abs=1e-12)
    accuracy, miou = quality.pixel_accuracy_and_miou(np.array(even.counts))
    assert accuracy == pytest.approx(1 - mask.mean())  # all is background
    assert miou == pytest.approx((1 - mask.mean()) / 2)


def test_numbers_by_brute_force(mask):
    random = np.random.default_rng(3)
    values = np.round(random.normal(size=mask.shape) + mask, 1)  # rounded: many ties
    scores = score_map(values, mask)
    pairs = sorted(zip(values.ravel(), mask.ravel(), strict=True), key=lambda pair: -pair[0])
    assert scores.foreground_ap == pytest.approx(average_precision_by_thresholds(values.ravel(), mask.ravel()))
    scaled = (values - values.min()) / (values.max() - values.min())
    stack = np.concatenate([1 - scaled.ravel(), scaled.ravel()])
    truth = np.concatenate([~mask.ravel(), mask.ravel()])
    assert scores.ap == pytest.approx(average_precision_by_thresholds(stack, truth))
    # The rank accuracy of a fair draw between ties, drawn.
    drawn = []
    for _ in range(3000):
        order = np.lexsort((random.random(values.size), -values.ravel()))
        drawn.append(mask.ravel()[order[: mask.sum()]].mean())
    assert scores.rank == pytest.approx(np.mean(drawn), abs=3e-3)
    positive = [(value, on) for value, on in pairs if value > 0]
    assert scores.mass == pytest.approx(sum(v for v, on in positive if on) / sum(v for v, _ in positive))
    best = [on for value, on in pairs if value == pairs[0][0]]
    assert scores.pointing == pytest.approx(np.mean(best))
    confusion = np.zeros((2, 2))
    for found, true in zip((scaled > scaled.mean()).ravel(), mask.ravel(), strict=True):
        confusion[int(found), int(true)] += 1
    ious = [confusion[k, k] / (confusion[k].sum() + confusion[:, k].sum() - confusion[k, k]) for k in (0, 1)]
    accuracy, miou = quality.pixel_accuracy_and_miou(np.array(scores.counts))
    assert accuracy == pytest.approx(np.trace(confusion) / confusion.sum())
    assert miou == pytest.approx(np.mean(ious))
    assert scores.iou == pytest.approx(ious[1])


def average_precision_by_thresholds(scores, truth):
    total, recall = 0.0, 0.0
    for threshold in sorted(set(scores.tolist()), reverse=True):
        found = scores >= threshold
        precision, new = truth[found].mean(), truth[found].sum() / truth.sum()
        total, recall = total + (new - recall) * precision, new
    return total


def test_leak_and_rank_correlation(mask):
    others = np.roll(mask, -10, axis=1) & ~mask
    values = mask * 3.0 + others * 1.0 - 0.0
    assert quality.class_leak(values, mask, others) == pytest.approx(others.sum() / (others.sum() + 3 * mask.sum()))
    assert quality.class_leak(-values, mask, others) != quality.class_leak(-values, mask, others)  # NaN
    random = np.random.default_rng(1)
    a, b = np.round(random.normal(size=(2, 60)), 1)
    ranked = [[(x > values).sum() + (x == values).sum() / 2 for x in values] for values in (a, b)]
    assert spearman(a, b) == pytest.approx(np.corrcoef(*ranked)[0, 1])
    assert spearman(a, np.ones(60)) == 0


def test_maps_are_brought_to_pixels_without_a_shift():
    grid = np.zeros((3, 5))
    grid[1, 4] = 1
    large = quality.on_pixels(grid, 36, 60)
    rows, columns = np.nonzero(large > large.max() - 1e-9)
    assert rows.mean() == pytest.approx(12 * 1.5 - 0.5)
    assert columns.min() >= 48
    assert large[:, :36].max() == 0
    assert np.allclose(quality.on_pixels(grid + 2, 36, 60), large + 2)


class Sum(nn.Module):
    """Class 1's logit is the sum over pixels of weight times (value - blank); class 0's is a constant."""

    def __init__(self, weights, bar):
        super().__init__()
        self.weights, self.bar, self.num_classes = torch.as_tensor(weights, dtype=torch.float32), bar, 2
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, pixels):
        score = ((pixels + 1).mean(dim=1) * self.weights).sum(dim=(1, 2))
        return torch.stack([torch.full_like(score, self.bar), score], dim=1)


def test_curves_of_a_network_that_hangs_on_known_pixels(mask):
    weights = mask / mask.sum()
    pixels = torch.zeros(3, HEIGHT, WIDTH)  # 1 above blank everywhere: the score is the share of the mask still there
    order = pixel_order(mask.astype(float), np.random.default_rng(0))
    assert mask.ravel()[order[: mask.sum()]].all()
    assert sorted(order) == list(range(mask.size))
    found = curves(Sum(weights, 0.25), pixels, 1, order, torch.full((3, 1, 1), -1.0))
    shares = [step / 10 for step in range(11)]

    def left(blanked):
        return 1 - weights.ravel()[blanked].sum()

    def trapezoid(values, step=0.1):
        return sum((a + b) / 2 * step for a, b in pairwise(values))

    def probability(score):
        return float(torch.tensor([0.25, score]).softmax(0)[1])

    firsts = [order[: round(share * mask.size)] for share in shares]
    lasts = [order[mask.size - round(share * mask.size) :] for share in shares]
    assert found.positive == pytest.approx(100 * trapezoid([int(left(f) > 0.25) for f in firsts[:10]]))
    assert found.negative == pytest.approx(100 * trapezoid([int(left(f) > 0.25) for f in lasts[:10]]))
    assert found.negative == pytest.approx(90, abs=10.1)
    assert found.positive < 20
    assert found.deletion == pytest.approx(trapezoid([probability(left(f)) for f in firsts]), abs=1e-6)
    assert found.insertion == pytest.approx(trapezoid([probability(1 - left(f)) for f in firsts]), abs=1e-6)


def small_network(labels=("circle", "square", "triangle"), size=(48, 96)):
    import timm

    torch.manual_seed(5)
    module = timm.create_model(
        "vit_tiny_patch16_224",
        img_size=size,
        patch_size=12,
        embed_dim=24,
        depth=2,
        num_heads=2,
        num_classes=len(labels),
    ).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape) * 0.2)
    return Network(module, "small", "random", Preprocessing(*size), labels, "", "timm:vit_tiny_patch16_224")


def picture(folder, name, size=(80, 60), mask=None, mask_name=None):
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(name)).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / name)
    if mask is not None:
        target = folder / mask_name
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(target)


def test_masks_beside_pictures_in_both_forms(tmp_path):
    whole = np.zeros((60, 80), dtype=np.uint8)
    whole[:30, 40:] = 255
    picture(tmp_path / "circle", "a.png", mask=whole, mask_name="a_mask.png")
    picture(tmp_path / "images", "b.jpg", mask=np.where(whole, 1, 0).astype(np.uint8), mask_name="../masks/b.png")
    picture(tmp_path / "images", "without.jpg")
    data = open_masks(str(tmp_path), tmp_path / "store")
    assert [(p.file.name, p.label) for p in data.pictures] == [("a.png", "circle"), ("b.jpg", None)]
    for one in data.pictures:
        seen = seen_masks(one, Preprocessing(48, 96))
        (found,) = seen.masks.values()
        assert seen.pixels.shape == (48, 96, 3)
        assert found[:23, 50:].all()
        assert not found[26:].any()
        assert not found[:, :46].any()
    # A crop keeps the middle: 60 x 60 of 80 x 60.
    (found,) = seen_masks(data.pictures[0], Preprocessing(60, 60, resize="crop")).masks.values()
    assert np.array_equal(found, whole[:, 10:70] > 0)
    Image.fromarray(whole[:50]).save(tmp_path / "circle" / "a_mask.png")
    with pytest.raises(UserError, match="its mask has 80x50 pixels, and the picture 80x60"):
        seen_masks(data.pictures[0], Preprocessing(48, 96))


def test_coco_instances(tmp_path):
    picture(tmp_path / "val2017", "c.jpg")
    polygon = [[40, 0, 80, 0, 80, 30, 40, 30]]
    document = {
        "images": [{"id": 1, "file_name": "c.jpg", "width": 80, "height": 60}],
        "categories": [{"id": 1, "name": "Circle"}, {"id": 2, "name": "square"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": polygon},
            {"id": 2, "image_id": 1, "category_id": 2, "segmentation": [[0, 50, 10, 50, 10, 60, 0, 60]]},
        ],
    }
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "instances_val2017.json").write_text(json.dumps(document))
    data = open_masks(str(tmp_path), tmp_path / "store")
    (one,) = data.split(None, 5)
    seen = seen_masks(one, Preprocessing(60, 80))
    assert list(seen.masks) == ["Circle", "square"]  # the larger first
    assert seen.masks["Circle"][:30, 40:].all()
    assert seen.masks["Circle"].sum() <= 31 * 41  # Pillow draws the border of a polygon too
    found = study(small_network(size=(60, 84)), [one], ["generic"], randomise=False, perturb=False)
    assert [(r.target.number, r.target.first) for r in found.records if r.method == "generic"] == [
        (0, True),
        (1, False),
    ]


def test_places_without_masks_say_so(tmp_path):
    picture(tmp_path, "a.png")
    with pytest.raises(UserError, match=r"No picture in .* has a mask"):
        open_masks(str(tmp_path), tmp_path / "store")
    with pytest.raises(UserError, match="There is no folder"):
        open_masks(str(tmp_path / "nowhere"), tmp_path / "store")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes") / "base"
    write_scenes(folder, count=120, size=48)
    network = small_network(labels=("circle", "square", "triangle", "star", "heart", "cross", "crescent", "ring"))
    data = open_masks(str(folder), folder)
    return network, study(network, data.split("test", 12), ["libra", "rollout"])


def test_a_study_of_scenes(measured):
    network, found = measured
    rows = {(row.group, row.method): row for row in method_table(found)}
    oracle, random = (rows["all", method].columns for method in ("oracle", "random"))
    for name in ("pointing", "pixel_accuracy", "miou", "map", "foreground_ap", "mass", "rank"):
        assert oracle[name].value == oracle[name].low == oracle[name].high == 1
        assert random[name].value < 0.8
    assert oracle["leak"].value == 0
    assert rows["all", "libra"].columns["completeness_error"].value < 1e-4
    assert rows["all", "rollout"].columns["completeness_error"] is None
    assert abs(rows["all", "libra"].columns["randomised"].value) < 0.5
    libra = [r for r in found.records if r.method == "libra" and r.target.first]
    assert rows["all", "libra"].columns["pointing"].value == pytest.approx(np.mean([r.scores.pointing for r in libra]))
    # Classes that the network does not have are explained by its likeliest class; the others each by itself.
    for record in libra:
        kinds = list(found.pictures[record.target.picture].masks)
        if kinds[0] in network.labels:
            assert record.target.number == network.labels.index(kinds[0])
    seconds = [r for r in found.records if not r.target.first]
    assert seconds
    assert all(r.target.others is not None and not (r.target.others & r.target.mask).any() for r in seconds)


def test_intervals_are_those_of_resampled_pictures(measured):
    _, found = measured
    row = next(r for r in method_table(found, seed=1) if (r.group, r.method) == ("all", "libra"))
    own = [r for r in found.records if r.method == "libra" and r.target.first]
    by_picture = {r.target.picture: r for r in own}
    random = np.random.default_rng(99)
    means, mious = [], []
    for _ in range(3000):
        draw = [by_picture[n] for n in random.integers(0, len(found.pictures), len(found.pictures)) if n in by_picture]
        means.append(np.mean([r.scores.mass for r in draw]))
        mious.append(quality.pixel_accuracy_and_miou(np.sum([r.scores.counts for r in draw], axis=0))[1])
    for name, values in (("mass", means), ("miou", mious)):
        estimate = row.columns[name]
        spread = np.ptp(np.percentile(values, [2.5, 97.5]))
        assert np.allclose([estimate.low, estimate.high], np.percentile(values, [2.5, 97.5]), atol=0.2 * spread)


def test_tables_hold_the_numbers(measured):
    _, found = measured
    rows = method_table(found)
    assert max(len(line) for line in to_text(rows, "all").splitlines()) <= 80
    assert len(to_csv(rows).splitlines()) == len(rows) + 1
    assert json.loads(json.dumps(to_dict(rows)))[0]["method"] == "libra" or rows[0].group == "correct"
    assert "| libra | rollout | random | oracle |" in to_markdown(rows)


def test_what_does_not_work_is_said_and_the_rest_measured(measured, tmp_path):
    network, _ = measured
    whole = np.zeros((60, 80), dtype=np.uint8)
    picture(tmp_path, "a.png", mask=whole, mask_name="a_mask.png")
    whole[10:20, 10:20] = 7
    picture(tmp_path, "bb.png", mask=whole, mask_name="bb_mask.png")
    data = open_masks(str(tmp_path), tmp_path)
    some = study(network, data.split(None, 9), ["generic"], perturb=False)
    assert [p.split(":")[0] for p in some.problems] == ["a.png"]
    assert {r.target.correct for r in some.records} == {None}
    with pytest.raises(UserError, match="There is no method"):
        study(network, data.split(None, 9), ["gradcam"])
    with pytest.raises(UserError, match="no pictures with masks in the split 'val'"):
        data.split("val", 3)


def test_shuffled_weights_keep_their_numbers_and_lose_their_places():
    module = small_network().module
    before = [parameter.clone() for parameter in module.parameters()]
    other = shuffled_weights(module)
    for mine, old, new in zip(module.parameters(), before, other.parameters(), strict=True):
        assert torch.equal(mine, old)
        assert torch.equal(new.flatten().sort().values, old.flatten().sort().values)
    assert not torch.equal(other.head.weight, module.head.weight)


def test_looks_of_flat_pictures():
    picture = np.zeros((10, 10, 3), dtype=np.uint8)
    picture[:] = (128, 128, 128)
    own = np.zeros((10, 10), dtype=bool)
    own[:5] = True
    picture[own] = (255, 0, 0)
    looks = looks_of(picture, own, ~own)
    assert looks["luminance_contrast"] == pytest.approx(128 / 255 - 0.2126)
    assert looks["saturation_contrast"] == 1
    assert looks["colourfulness"] == 0
    assert looks["area"] == 0.5
    # Hasler and Süsstrunk by hand for one half red, one half blue: rg is 255 or 0, yb is 127.5 or -255.
    half = np.array([[255, 0, 0], [0, 0, 255]] * 4, dtype=float)
    expected = np.hypot(127.5, 191.25) + 0.3 * np.hypot(127.5, -63.75)
    assert colourfulness(half) == pytest.approx(expected)


def test_claims_are_rank_correlations_over_pictures(measured):
    _, found = measured
    said = {(c.method, c.look, c.quality): c for c in claims(found)}
    own = [r for r in found.records if r.method == "libra" and r.target.first]
    area = [r.target.mask.mean() for r in own]
    claim = said["libra", "area", "foreground_ap"]
    assert claim.correlation.value == pytest.approx(
        spearman(np.array(area), np.array([r.scores.foreground_ap for r in own]))
    )
    assert claim.correlation.low <= claim.correlation.value <= claim.correlation.high
    assert not any(method in ("random", "oracle") for method, _, _ in said)
