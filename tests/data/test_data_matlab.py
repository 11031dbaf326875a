"""MATLAB files, read in a process of their own: what a damaged one does ends that process alone."""

import numpy as np
import pytest

from vitbench.data.layouts import matlab
from vitbench.data.layouts.place import Place
from vitbench.errors import UserError

savemat = pytest.importorskip("scipy.io").savemat


@pytest.fixture
def place(tmp_path):
    rows = np.zeros((1, 3), dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O"), ("children", "O")])
    for number in range(3):  # the synsets of ImageNet above the classes have none, one or many children
        rows[0, number] = (number + 1, f"n{number}", np.arange(number))
    words = np.array(["ab", "c"], dtype=object)
    savemat(tmp_path / "a.mat", {"synsets": rows, "x": np.array([[1, 2, 3]]), "one": 4, "t": words})
    return Place(tmp_path)


def test_variables_are_plain_values(place):
    assert matlab.numbers(place, "a.mat", "x") == [1, 2, 3]
    assert matlab.numbers(place, "a.mat", "one") == [4]
    assert matlab.texts(place, "a.mat", "t") == ["ab", "c"]
    rows = matlab.structures(place, "a.mat", "synsets")
    assert [row["WNID"] for row in rows] == ["n0", "n1", "n2"]
    assert rows[2]["children"] == [0, 1]
    for read, key in ((matlab.numbers, "t"), (matlab.texts, "x"), (matlab.structures, "x")):
        with pytest.raises(UserError, match=f"a.mat holds no .*{key}"):
            read(place, "a.mat", key)
    with pytest.raises(UserError, match=r"holds no 'y' that can be read .it has synsets, x, one, t"):
        matlab.numbers(place, "a.mat", "y")


def test_a_byte_that_crashes_scipy_is_one_sentence(place):
    file = place.root / "a.mat"
    content = bytearray(file.read_bytes())
    content[296] = 166  # a length: with scipy 1.17 the process that reads it ends by SIGSEGV
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.mat holds no 'x' that can be read"):
        matlab.numbers(place, "a.mat", "x")


def test_a_small_file_that_asks_for_all_memory(place):
    savemat(place.root / "bomb.mat", {"x": np.zeros(6_000_000, dtype=np.uint8), "y": [1, 2]}, do_compression=True)
    assert (place.root / "bomb.mat").stat().st_size < 10_000
    assert matlab.numbers(place, "bomb.mat", "y") == [1, 2]
    with pytest.raises(UserError, match="more than 5,000,000 values"):
        matlab.numbers(place, "bomb.mat", "x")
