import os

import numpy as np
import pytest
from make_arks import write_ark

from ambiser.errors import DataError
from ambiser.features.extraction.stored import load_frames, load_pooled, load_text
from ambiser.io.tables import write_table


def store(folder, matrices, arks=1):
    names = sorted(matrices)
    entries = {}
    for number in range(arks):
        part = names[number::arks]
        entries |= write_ark(folder / f"feats.{number}.ark", ((name, matrices[name]) for name in part))
    write_table(folder / "feats.scp", entries)
    return folder / "feats.scp"


@pytest.fixture
def matrices():
    generator = np.random.default_rng(0)
    return {f"u{number}": generator.standard_normal((3, 5)).astype(np.float32) for number in range(7)}


def test_pooled_features_are_returned_in_the_requested_order(tmp_path, matrices):
    scp = store(tmp_path, matrices, arks=3)
    utts = ["u5", "u0", "u5", "u3"]
    loaded = load_pooled(scp, utts)
    assert loaded.shape == (4, 3, 5) and loaded.dtype == np.float32
    assert loaded.flags.c_contiguous and loaded.flags.writeable
    np.testing.assert_array_equal(loaded, np.stack([matrices[utt] for utt in utts]))


def test_frames_are_read_only_views_of_any_length(tmp_path):
    matrices = {"a": np.ones((4, 2), np.float32), "b": np.zeros((9, 2), np.float32)}
    views = load_frames(store(tmp_path, matrices), ["b", "a"])
    assert [view.shape for view in views] == [(9, 2), (4, 2)]
    assert not any(view.flags.writeable or view.flags.owndata for view in views)
    np.testing.assert_array_equal(views[1], matrices["a"])


def test_text_is_a_row_or_the_mean_of_its_tokens(tmp_path, matrices):
    scp = store(tmp_path, {utt: matrix[:1] for utt, matrix in matrices.items()})
    np.testing.assert_array_equal(load_text(scp, ["u1", "u2"]), np.stack([matrices["u1"][0], matrices["u2"][0]]))
    tokens = {"a": matrices["u0"], "b": matrices["u1"][:2]}
    loaded = load_text(store(tmp_path, tokens), ["b", "a"])
    np.testing.assert_allclose(loaded, np.stack([tokens["b"].mean(0), tokens["a"].mean(0)]), rtol=1e-6)
    assert loaded.dtype == np.float32


@pytest.mark.parametrize("load", [load_pooled, load_text, load_frames])
def test_a_missing_utterance_is_named_with_stage_and_command(tmp_path, matrices, load):
    with pytest.raises(DataError, match=r"no features of 'x' and 1 others; stage 2 .*--stage 2 --stop_stage 2"):
        load(store(tmp_path, matrices), ["u1", "x", "y"])
    with pytest.raises(DataError, match=r"no features of 'x'; stage 2"):
        load(store(tmp_path, matrices), ["x"])


@pytest.mark.parametrize("load", [load_pooled, load_text, load_frames])
def test_a_missing_table_is_named_with_stage_and_command(tmp_path, load):
    with pytest.raises(DataError, match=r"feats.scp is missing; stage 2 \(extract\)"):
        load(tmp_path / "feats.scp", ["u1"])


def test_shapes_that_do_not_fit_are_an_error(tmp_path):
    scp = store(tmp_path, {"a": np.ones((4, 2)), "b": np.ones((5, 2)), "c": np.ones((4, 3))})
    with pytest.raises(DataError, match="'b' has shape"):
        load_pooled(scp, ["a", "b"])
    assert len(load_frames(scp, ["a", "b"])) == 2
    with pytest.raises(DataError, match="widths must agree"):
        load_frames(scp, ["a", "c"])
    with pytest.raises(DataError, match="no utterances were requested"):
        load_pooled(scp, [])


def test_an_ark_of_frames_that_is_cut_off_is_an_error_and_does_not_kill_the_process(tmp_path):
    scp = store(tmp_path, {"a": np.ones((4000, 2), np.float32), "b": np.ones((4000, 2), np.float32)}, arks=2)
    frames = load_frames(scp, ["a", "b"])
    os.truncate(tmp_path / "feats.1.ark", 20)
    assert frames[0].shape == (4000, 2)
    with pytest.raises(DataError, match=r"feats\.1\.ark: changed while this stage read it; run this stage again$"):
        frames[1]
