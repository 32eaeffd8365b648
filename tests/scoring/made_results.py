"""Results of made-up votes and predictions, with any values in their stamp."""

import copy
import functools

import numpy as np

from ambiser.scoring.evaluation import evaluate
from ambiser.scoring.groups import Fold
from ambiser.scoring.results import AllScores, Results
from ambiser.scoring.stamp import Stamp


def make_results(draw, name="ce-fbank", seed=1, calibration=None, **stamp) -> Results:
    """Returns the results of an experiment; `draw` makes votes and predictions."""
    about = {
        "corpus": "iemocap",
        "version": "full",
        "made_up": False,
        "classes": {c: [c] for c in "abcd"},
        "class_names": list("abcd"),
        "protocol": "leave_one_session_out",
        "dev": "next_session",
        "leaks": [],
        "folds": [1, 2],
        "all_folds": [1, 2],
        "test_set": "t",
        "seed": seed,
        "score": {"ece_bins": 10, "levels": [0.0, 0.95]},
        "software": "ambiser 1",
        "stages": ["prototypes", "distill"],
        "selection": {"distill": "jsd", "prototypes": "ua"},
        "epochs": {"prototypes": 5, "distill": 30},
        "kept": {"prototypes": {1: 5, 2: 5}, "distill": {1: 3 + seed, 2: 9}} if seed else {},
        "inputs": "speech",
        "ssl": "fbank",
        "text": None,
        "config_hash": "c" * 12,
        "commit": "abc",
        "policies": {
            "other_votes": "drop_vote",
            "other_majority": "keep",
            "no_majority": "keep",
            "ties": "exclude",
            "include_self": False,
            "multi_label": "split_mass",
            "precise": "unanimous",
            "ambiguous": "majority",
            "smoothing": 0.0,
        },
    }
    return Results(
        tag=f"{name}-s{seed}",
        name=name,
        stamp=Stamp(**copy.deepcopy(about | stamp)),
        left_out={"by the policies": {"no vote inside the classes": 4}},
        scores=copy.deepcopy(_scores(draw, seed)),
        calibration=calibration,
    )


@functools.cache
def _scores(draw, seed) -> AllScores:
    arrays = draw(80, seed=seed or 0)
    kind = np.where(arrays["hard"] < 0, 2, np.where(arrays["counts"].max(axis=1) == 3, 0, 1))
    speakers = np.array([f"s{i % 6}" for i in range(80)])
    fold = Fold(**arrays, kind=kind, speakers=speakers, prior=arrays["soft"].mean(axis=0), majority=0)
    return evaluate({1: fold}, bins=10, levels=[0.0, 0.95], resamples=50)
