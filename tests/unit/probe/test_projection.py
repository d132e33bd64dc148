"""Projections keep distances as they promise, are fixed by what names them, and fit only the model they were made for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from triton_models.probe.projection import Components, random
from triton_models.scoring.loading import ModelError

CPU = torch.device("cpu")
LAYERS = ("layer_00", "layer_01")


def states(
    rows: int, width: int, seed: int = 1
) -> dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    """Layers whose variance lies in few directions, with one dimension a thousand times larger."""
    chance = np.random.default_rng(seed)
    basis = chance.normal(size=(4, width))
    found = {}
    for name in LAYERS:
        made = chance.normal(size=(rows, 4)) @ basis + 0.01 * chance.normal(size=(rows, width)) + 3.0
        made[:, 0] *= 1000
        found[name] = made.astype(np.float32)
    return found


def test_a_random_projection_keeps_squared_distances_on_the_mean_and_follows_its_seed() -> None:
    rows = torch.from_numpy(np.random.default_rng(1).normal(size=(200, 512)).astype(np.float32))
    one, same, other = (random(name, 512, CPU) for name in ("random-128-7", "random-128-7", "random-128-8"))
    projected = one("layer_00", rows)
    assert projected.shape == (200, 128)
    assert torch.equal(projected, same("layer_01", rows))
    assert not torch.allclose(projected, other("layer_00", rows))
    ratio = (torch.pdist(projected) ** 2 / torch.pdist(rows) ** 2).numpy()
    assert abs(ratio.mean() - 1) < 0.05
    assert ratio.std() < 1.5 * np.sqrt(2 / 128)


def test_components_hold_what_varies_whatever_its_scale() -> None:
    given = states(300, 32)
    fitted = Components.fit(given, 4)
    projection = fitted.projection(LAYERS, 32, CPU)
    assert projection.dimensions(32) == 4
    for name in LAYERS:
        z = (given[name] - given[name].mean(axis=0)) / given[name].std(axis=0)
        kept = projection(name, torch.from_numpy(given[name])).numpy()
        assert kept.var(axis=0).sum() / z.var(axis=0).sum() > 0.99


def test_the_same_texts_give_the_same_file_and_another_fit_another_name(tmp_path: Path) -> None:
    one, again, other = (Components.fit(states(50, 16, seed), 3) for seed in (1, 1, 2))
    assert one.name == again.name != other.name
    one.save(tmp_path / "one.npz")
    assert Components.load(tmp_path / "one.npz").name == one.name


def test_a_constant_dimension_is_left_out() -> None:
    given = states(50, 16)
    for rows in given.values():
        rows[:, 5] = 2.5
    fitted = Components.fit(given, 3)
    moved = {name: rows.copy() for name, rows in given.items()}
    moved["layer_00"][:, 5] = 99
    projection = fitted.projection(LAYERS, 16, CPU)
    before, after = (projection("layer_00", torch.from_numpy(one["layer_00"])) for one in (given, moved))
    assert torch.equal(before, after)


@pytest.mark.parametrize("dimensions", [0, 16, 40])
def test_more_components_than_there_are_are_refused(dimensions: int) -> None:
    with pytest.raises(ModelError, match="write 1 to 15"):
        Components.fit(states(50, 16), dimensions)


def test_states_that_are_not_finite_fit_nothing() -> None:
    given = states(50, 16)
    given["layer_01"][3, 3] = np.nan
    with pytest.raises(ModelError, match="NaN or infinite"):
        Components.fit(given, 3)


def test_a_file_for_another_model_or_a_broken_one_is_refused(tmp_path: Path) -> None:
    fitted = Components.fit(states(50, 16), 3)
    with pytest.raises(ModelError, match="fitted on 2 layers of 16 dimensions, the model has 3 of 16"):
        fitted.projection((*LAYERS, "layer_02"), 16, CPU)
    file = tmp_path / "file.npz"
    file.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(ModelError, match="can't be read"):
        Components.load(file)
    np.savez(
        file,
        matrix=fitted.matrix,
        layers=np.array(LAYERS),
        means=fitted.means[:1],
        deviations=fitted.deviations,
    )
    with pytest.raises(ModelError, match="don't fit together"):
        Components.load(file)
    np.savez(
        file,
        matrix=fitted.matrix * np.nan,
        layers=np.array(LAYERS),
        means=fitted.means,
        deviations=fitted.deviations,
    )
    with pytest.raises(ModelError, match="holds NaN"):
        Components.load(file)
