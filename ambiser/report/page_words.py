"""Holds the captions and the glossary of the results page."""

CAPTIONS = {
    "overview": "Scores pooled over folds with 95 % intervals; the dashed line is the class prior.",
    "utterances": "Votes and predictions of three utterances: the first, middle and last ranked by vote entropy. "
    "“Two raters agree” is the probability that two raters choose the same class.",
    "confusion": "Confusion matrix: number of utterances with a majority, and percentage of the row.",
    "reliability": "Reliability: share of correct predictions per bin of confidence.",
    "levels": "Scores by level of ambiguity with 95 % intervals, against the class prior.",
    "entropy": "Entropy of votes and prediction; on the dotted line the two agree.",
    "sets": "Prediction sets by level of ambiguity with 95 % intervals: share of votes covered, with the requested "
    "share as a dotted line, and classes per set.",
    "learning": "Training: the mean over folds is bold, single folds are thin, dots mark the kept epochs.",
    "prototypes": "Cosine between the prototypes of two classes during training: bold is the mean over folds.",
    "prototype_matrix": "Cosine between the kept prototypes, mean over folds: blue is similar, orange opposite.",
    "embeddings": "t-SNE of the prototypes and of the embeddings of the first test fold: filled is precise, hollow "
    "ambiguous, a cross has no majority. Distances between distant groups mean little.",
    "conflict": "Above: teacher weights against the entropy of the votes, with means. Below: BC by disagreement "
    "between the speech and the text head.",
    "agreement": "How often the classifier, the nearest prototype and the aligned label match the withheld majority of "
    "ambiguous training utterances: the mean over folds is bold, single folds are thin.",
}
WORDS = (
    ("votes", "what each rater chose"),
    ("soft label", "an utterance's votes divided by their sum"),
    ("hard label, majority", "the class with the most votes; none if classes tie"),
    ("precise, ambiguous", "utterances whose raters agree; other utterances with a majority"),
    ("level", "entropy of the votes in bits: low, medium, high"),
    ("prototype", "the mean direction of a class in the space of embeddings"),
    (
        "floor",
        "a predictor without input: equal probabilities, class prior or most frequent class of training",
    ),
    (
        "prediction set",
        "classes that contain a rater's label with a requested probability, calibrated on dev (conformal prediction)",
    ),
    (
        "fold",
        "a split of the speakers into training, dev (chooses the epoch) and test; pooled: all test parts together",
    ),
)
