"""Captions and glossary of the results page."""

CAPTIONS = {
    "overview": "Scores pooled over folds with 95 % intervals; the dashed line is the class prior.",
    "confusion": "Confusion matrix: utterances with a majority, and their share of the row.",
    "reliability": "Reliability: of the utterances predicted with this confidence, so many are right.",
    "levels": "Scores by level of ambiguity with 95 % intervals, against the class prior.",
    "entropy": "Entropy of votes and prediction; on the dotted line the two agree.",
    "learning": "Training: bold the mean over folds, thin the folds, dots the epochs that were kept.",
    "prototypes": "Cosine between two classes' prototypes over training: bold the mean over folds, thin the folds.",
    "prototype_matrix": "Cosine between the prototypes that were kept, mean over folds: blue alike, orange opposed.",
    "embeddings": "Embeddings of the first fold's test part and the prototypes by t-SNE: filled precise, hollow "
    "ambiguous, crosses without a majority. Distances between far groups mean little.",
    "conflict": "Above: teacher weights against the entropy of the votes, with means. Below: BC by how much the "
    "heads for speech and text disagree.",
    "agreement": "Share of the ambiguous training utterances for which the classifier, the nearest prototype or the "
    "label aligned to class shares names the majority that was withheld: bold the mean over folds, thin the folds.",
}
WORDS = (
    ("votes", "what each rater chose"),
    ("soft label", "an utterance's votes divided by their sum"),
    ("hard label, majority", "the class with most votes; none when two share the lead"),
    ("precise, ambiguous", "utterances whose raters agree, and those that only have a majority"),
    ("level", "entropy of the votes in bits: low, medium, high"),
    ("prototype", "the mean direction of a class in the space of embeddings"),
    ("floor", "a predictor that has heard nothing: equal probabilities, training's class prior, or its main class"),
    ("fold", "some speakers are tested, others choose the epoch, the rest train; pooled: all tested parts together"),
)
