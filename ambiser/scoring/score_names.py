"""Lists the scores by name: how each is shown, which way is better, and what it means."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """How a score is shown, and what it means in one line."""

    title: str
    better: str
    meaning: str

    @property
    def arrow(self) -> str:
        """Which way is better."""
        return {"higher": "↑", "lower": "↓"}[self.better]


METRICS = {
    "accuracy": Metric("accuracy", "higher", "share of the utterances with a majority whose class is right (WA)"),
    "ua": Metric("UA", "higher", "unweighted average recall: the mean of the classes' recalls"),
    "macro_f1": Metric("macro-F1", "higher", "mean of the classes' F1"),
    "weighted_f1": Metric("weighted F1", "higher", "mean of the classes' F1, weighted by their share of references"),
    "macro_auroc": Metric(
        "macro AUROC",
        "higher",
        "area under the ROC curve of a class against the others, averaged over classes; 0.5 by chance for any "
        "class shares",
    ),
    "bc": Metric(
        "BC", "higher", "Bhattacharyya coefficient, sum over classes of the root of vote share times probability"
    ),
    "jsd_bits": Metric("JSD (bits)", "lower", "Jensen-Shannon divergence of votes and prediction, 0 to 1 bit"),
    "jsd_nats": Metric("JSD (nats)", "lower", "the same in nats, 0 to 0.693"),
    "sqrt_jsd_bits": Metric(
        "√JSD (√bits)", "lower", "mean of the root of the divergence in bits, a distance from 0 to 1"
    ),
    "kl_nats": Metric("KL (nats)", "lower", "Kullback-Leibler divergence from the prediction to the votes"),
    "total_variation": Metric(
        "total variation",
        "lower",
        "half the summed absolute difference; the Manhattan distance of LeWiDi is twice this",
    ),
    "wasserstein": Metric(
        "Wasserstein",
        "lower",
        "least vote mass times distance between classes that turns one distribution into the other, 0 to 1; without "
        "score.positions the total variation",
    ),
    "cosine": Metric("cosine", "higher", "cosine of the angle between votes and prediction, 0 to 1"),
    "brier": Metric("Brier", "lower", "summed squared difference of votes and prediction, 0 to 2"),
    "nll_per_vote_nats": Metric("NLL (nats/vote)", "lower", "mean negative log-probability of a single vote"),
    "error_rate": Metric(
        "error rate", "lower", "share of an utterance's votes that are not for the predicted class (LeWiDi 2025, AER)"
    ),
    "absolute_distance": Metric(
        "absolute distance",
        "lower",
        "mean distance between the predicted class and the votes, 0 to 1 (LeWiDi 2025, ANAD); without score.positions "
        "the error rate",
    ),
    "agreement_gap": Metric(
        "agreement gap",
        "lower",
        "absolute difference between the mean chance that two raters agree, by the prediction and by the votes",
    ),
    "agreement_correlation": Metric(
        "agreement r", "higher", "Pearson correlation of that chance over utterances with two or more votes"
    ),
    "r2_pearson": Metric(
        "R² (Pearson)", "higher", "squared correlation over an utterance's classes, averaged; blind to sign"
    ),
    "r2_determination": Metric(
        "R² (determination)",
        "higher",
        "explained share of the variance of a class's vote share over utterances, averaged over classes",
    ),
    "multilabel_macro_f1": Metric(
        "multi-label macro-F1",
        "higher",
        "mean F1 over classes, where a class is present if it has more than 1 / C of votes or probability (EMO-SUPERB)",
    ),
    "entropy_correlation": Metric("entropy ρ", "higher", "Spearman correlation of voted and predicted entropy"),
    "ece": Metric("ECE", "lower", "expected calibration error, equal-width bins, utterances with a majority"),
    "no_majority_auroc": Metric(
        "AUROC no majority", "higher", "how well predicted entropy finds utterances without a majority"
    ),
    "no_majority_aupr": Metric("AUPR no majority", "higher", "the same as average precision; its floor is their share"),
}
CLASS_METRICS = {
    "recall": Metric("recall", "higher", "share of the class's utterances that the prediction finds"),
    "precision": Metric("precision", "higher", "share of the utterances predicted as the class whose reference it is"),
    "f1": Metric("F1", "higher", "harmonic mean of recall and precision"),
    "auroc": Metric("AUROC", "higher", "area under the ROC curve of the class against the others"),
    "bc": Metric("BC", "higher", "BC over the utterances whose reference is the class"),
    "jsd_bits": Metric("JSD (bits)", "lower", "JSD over the utterances whose reference is the class"),
    "r2_determination": Metric(
        "R² (determination)", "higher", "explained share of the variance of the class's vote share"
    ),
}
"""The scores of one class."""
HARD = ("accuracy", "ua", "macro_f1", "weighted_f1")
"""The scores that need a class alone; the others need a distribution."""

Scores = dict[str, float | None]
