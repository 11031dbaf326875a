"""Two processes train what one trains: the same weights, each picture once, whatever is short, missing or mixed."""

import numpy as np
import pytest
import torch
from joined_processes import train_alone, train_joined
from training_helpers import tiny_recipe

from vitbench.ranks import Ranks

NO_DROPOUT = {"drop_rate": 0.0}


def differences(one, other):
    """The largest difference of a weight."""
    return max(float((one["weights"][name] - other["weights"][name]).abs().max()) for name in one["weights"])


def test_two_processes_end_with_the_weights_of_one(tmp_path):
    """44 pictures in steps of 16, as two batches of 8: the last step is short, and the last batch of an epoch too."""
    recipe = tiny_recipe(
        model=NO_DROPOUT, train={"accumulate": 2, "ema": 0.9, "clip": 1.0}, optim={"name": "momentum", "lr": 0.05}
    )
    alone = train_alone(tmp_path / "alone", recipe)
    joined = train_joined(tmp_path, recipe, 2)
    assert differences(alone, joined[0]) < 1e-5
    assert differences(joined[0], joined[1]) == 0
    assert np.allclose(alone["losses"], joined[0]["losses"], rtol=1e-5)
    for epoch in range(3):
        assert sorted(joined[0]["seen"][epoch] + joined[1]["seen"][epoch]) == list(range(44))
        assert joined[0]["seen"][epoch] != joined[1]["seen"][epoch]


def test_the_losses_of_fifty_steps_of_adamw_are_those_of_one(tmp_path):
    recipe = tiny_recipe(model=NO_DROPOUT, train={"epochs": 9, "batch_size": 8})
    alone = train_alone(tmp_path / "alone", recipe)["losses"]
    joined = train_joined(tmp_path, recipe, 2)[0]["losses"]
    assert len(joined) >= 50
    assert np.allclose(alone[:50], joined[:50], rtol=1e-4, atol=0)


def test_pictures_that_cannot_be_read_leave_the_mean_over_the_others(tmp_path):
    """One process has fewer pictures than the other in a step, or none; no step at all has none."""
    recipe = tiny_recipe(model=NO_DROPOUT, train={"batch_size": 2}, optim={"name": "momentum", "lr": 0.05})
    gone = range(0, 44, 3)
    alone = train_alone(tmp_path / "alone", recipe, unreadable=gone)
    joined = train_joined(tmp_path, recipe, 2, unreadable=gone)
    assert differences(alone, joined[0]) < 1e-5
    assert differences(joined[0], joined[1]) == 0


def test_more_processes_than_pictures_in_the_last_batch(tmp_path):
    """44 = 8 x 5 + 4, and three processes; dropout is on, so weights are only those of each other."""
    joined = train_joined(tmp_path, tiny_recipe(train={"epochs": 1, "batch_size": 43}), 3)
    assert differences(joined[0], joined[2]) == 0
    assert sorted(number for rank in joined for number in rank["seen"][0]) == list(range(44))


@pytest.mark.parametrize("world", [2, 3])
@pytest.mark.parametrize("count", [1, 2, 5, 8, 9])
@pytest.mark.parametrize("mirrored", [False, True])
def test_shares_make_up_the_batch_and_keep_partners(world, count, mirrored):
    numbers = np.arange(100, 100 + count)
    shares = []
    for rank in range(world):
        ranks = Ranks()
        ranks.rank, ranks.world = rank, world
        shares.append(ranks.share(numbers, mirrored=mirrored))
    assert sorted(np.concatenate(shares)) == numbers.tolist()
    if mirrored:
        partner = dict(zip(numbers, numbers[::-1], strict=True))
        for share in shares:
            assert [partner[number] for number in share] == share[::-1].tolist()


def test_rows_are_gathered_in_their_own_order():
    """A process without a row does not know the width of the others'."""

    class Told(Ranks):
        world = 3

        def gather(self, value):
            return [value, (np.array([0, 2]), np.array([[5, 5], [7, 7]])), (np.array([], int), np.array([]))]

    numbers, rows = Told().gather_rows(np.array([1]), np.array([[6, 6]]))
    assert numbers.tolist() == [0, 1, 2]
    assert rows.tolist() == [[5, 5], [6, 6], [7, 7]]
    assert torch.equal(Ranks().total(torch.tensor(2.0), {}, 3, 4)[0], torch.tensor(2.0))
