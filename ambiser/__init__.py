"""Recipes for speech emotion recognition where raters, and modalities, disagree.

The names below are the public interface; each is imported when it is first used, so `import ambiser` is fast.
Everything else in the package may change without notice.

Predict with a packed model (`ambiser pack` makes one; torch is imported on the first prediction):

>>> import ambiser
>>> model = ambiser.load_model("crema_d_whisper_tiny")
>>> isinstance(model, ambiser.PackedModel), model.classes
(True, ('neutral', 'happy', 'angry', 'sad'))
>>> prediction = model.predict(wav, sample_rate_hz=44100)  # wav: (samples,) or (samples, channels)  # doctest: +SKIP

The result has named fields:

>>> prediction = ambiser.UtterancePrediction({"neutral": 0.5, "happy": 0.25, "angry": 0.25})
>>> prediction.label, prediction.entropy_bits, prediction.expected_agreement
('neutral', 1.5, 0.375)
>>> round(prediction.no_majority(3), 4)
0.1875

Votes of raters to soft labels, (N, C):

>>> import pathlib, tempfile
>>> path = pathlib.Path(tempfile.mkdtemp()) / "votes.tsv"
>>> rows = ["utt rater source slot label"]
>>> rows += [f"u1 r{number} outside primary {label}" for number, label in enumerate(["hap", "hap", "sad"])]
>>> _ = path.write_text("".join(row.replace(" ", chr(9)) + chr(10) for row in rows))
>>> view = ambiser.view_labels(ambiser.read_votes(path), ambiser.LabelPolicy())
>>> view.classes, view.soft.round(3).tolist()
(('neutral', 'happy', 'angry', 'sad'), [[0.0, 0.667, 0.0, 0.333]])

How far raters disagree, or would disagree under a distribution (N, C):

>>> import numpy as np
>>> soft, probs = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[0.5, 0.5], [0.75, 0.25]])
>>> ambiser.entropy_bits(soft).tolist(), ambiser.expected_agreement(soft).tolist()
([1.0, 0.0], [0.5, 1.0])
>>> ambiser.no_majority_chance(soft, raters=2).tolist()
[0.5, 0.0]
>>> round(float(ambiser.krippendorff_alpha(np.array([[2, 0], [0, 2], [1, 1]]))), 3)
0.444

Scores of predictions against votes, (N,) each:

>>> scores = ambiser.utterance_scores(probs, soft)
>>> scores["jsd_bits"].round(3).tolist()
[0.0, 0.138]

A loss, and the operations on prototypes, on torch tensors:

>>> import torch
>>> loss = ambiser.js_divergence(target=torch.tensor([[1.0, 0.0]]), log_probs=torch.tensor([[0.5, 0.5]]).log())  # (B,)
>>> round(loss.item(), 3)
0.216
>>> prototypes = ambiser.class_means(embeddings=torch.eye(2), labels=torch.tensor([0, 1]), classes=2)  # (C, D)
>>> labels = ambiser.ambiguous_labels(torch.tensor([[1.0, 0.0]]), prototypes, temperature=0.5)  # (B, C)
>>> round(labels[0, 0].item(), 3)
0.881
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for type checkers; at run time each name is imported on first use
    from ambiser.config.data_keys import LabelPolicy
    from ambiser.inference.model import PackedModel, load_model
    from ambiser.inference.utterance_prediction import UtterancePrediction
    from ambiser.labels.agreement import krippendorff_alpha
    from ambiser.labels.entropy import entropy_bits
    from ambiser.labels.expected_votes import expected_agreement, no_majority_chance
    from ambiser.labels.label_view import view_labels
    from ambiser.labels.vote_table import read_votes
    from ambiser.losses.divergence import js_divergence
    from ambiser.models.prototypes import ambiguous_labels, class_means
    from ambiser.scoring.utterance_scores import utterance_scores

__version__ = "0.2.0"

_PLACES = {
    "LabelPolicy": "ambiser.config.data_keys",
    "PackedModel": "ambiser.inference.model",
    "UtterancePrediction": "ambiser.inference.utterance_prediction",
    "ambiguous_labels": "ambiser.models.prototypes",
    "class_means": "ambiser.models.prototypes",
    "entropy_bits": "ambiser.labels.entropy",
    "expected_agreement": "ambiser.labels.expected_votes",
    "js_divergence": "ambiser.losses.divergence",
    "krippendorff_alpha": "ambiser.labels.agreement",
    "load_model": "ambiser.inference.model",
    "no_majority_chance": "ambiser.labels.expected_votes",
    "read_votes": "ambiser.labels.vote_table",
    "utterance_scores": "ambiser.scoring.utterance_scores",
    "view_labels": "ambiser.labels.label_view",
}
"""The module of each public name."""
__all__ = [
    "LabelPolicy",
    "PackedModel",
    "UtterancePrediction",
    "ambiguous_labels",
    "class_means",
    "entropy_bits",
    "expected_agreement",
    "js_divergence",
    "krippendorff_alpha",
    "load_model",
    "no_majority_chance",
    "read_votes",
    "utterance_scores",
    "view_labels",
]


def __getattr__(name: str) -> object:
    """Imports a public name on first use."""
    if name not in _PLACES:
        raise AttributeError(f"module 'ambiser' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
