"""The figures of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from sim.analysis.run.plots import draw, draw_all
from sim.analysis.tables import held, load_run


def test_every_figure_is_drawn(run_folder: Path, tmp_path: Path) -> None:
    run = load_run(run_folder)
    paths = [path for kind in ("png", "svg", "pdf") for path in draw_all(run, tmp_path / "plots", kind)]
    names = {"savings", "demanded_loss", "learning_curves", "where_time_goes", "data_ladder", "phones"}
    assert {p.stem for p in paths} == names
    for path in paths:
        assert path.stat().st_size > 5000
        if path.suffix == ".png":
            pixels = imread(path)
            assert pixels.shape[1] == 1400
            assert np.ptp(pixels[..., :3]) > 0.5


def test_figures_without_their_data_are_left_out(new_run, row, tmp_path: Path) -> None:
    run = load_run(new_run(users=[row(0, "xpert")]))
    assert {p.stem for p in draw_all(run, tmp_path)} == {"where_time_goes", "phones"}
    run = load_run(new_run(users=[row(1, "xpert", fits="does_not_fit", why="too small", finetune_s=None)]))
    assert {p.stem for p in draw_all(run, tmp_path)} == {"where_time_goes", "phones"}


def test_arrivals_end_at_the_share_that_arrives(new_run, row) -> None:
    """Of four users one misses the target, and one has a phone that cannot do it: two of three arrive."""
    scratch = [row(u, "scratch", finetune_s=600.0 * (u + 1)) for u in range(4)]
    xpert = [row(u, "xpert", finetune_s=60.0 * (u + 1), censored=u == 1) for u in range(4)]
    for small in (scratch[3], xpert[3]):
        small |= {"fits": "does_not_fit", "finetune_s": None}
    figure = draw("phones", load_run(new_run(users=scratch + xpert)))
    assert figure is not None
    lines = {str(line.get_label()): line for line in figure.axes[0].lines}
    assert set(lines) == {"scratch (100 % arrive)", "xpert (66.7 % arrive)"}
    arrived = lines["xpert (66.7 % arrive)"]
    assert np.asarray(arrived.get_xdata()).tolist() == [1.0, 3.0]
    assert np.asarray(arrived.get_ydata()).tolist() == pytest.approx([100 / 3, 200 / 3])


def test_done_users_keep_their_last_loss(run_folder: Path) -> None:
    curves = load_run(run_folder).curves
    losses = held(curves[curves["strategy"] == "oracle"], 80)
    assert losses[80].notna().all()
    first = curves[(curves["strategy"] == "oracle") & (curves["user_id"] == 0)]
    assert losses.loc[0, 80] == first["loss"].iloc[-1]
