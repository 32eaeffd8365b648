"""Lists the scores that the tables show, and the names of the rows they are compared with."""

CLASS_SCORES = ("accuracy", "ua", "macro_f1", "weighted_f1", "macro_auroc", "ece")
DISTRIBUTION_SCORES = ("bc", "jsd_bits", "r2_pearson", "r2_determination", "entropy_correlation")
LEVEL_SCORES = ("accuracy", "bc", "jsd_bits")
CALIBRATED = ("ece", "nll_per_vote_nats", "jsd_bits", "bc", "accuracy")
FOLD_SCORES = (*CLASS_SCORES[:3], *DISTRIBUTION_SCORES[:4])
LINE_SCORES = ("accuracy", "ua", "macro_f1", "bc", "jsd_bits", "r2_pearson", "r2_determination", "ece")
FLOORS = {"uniform": "uniform", "prior": "class prior", "majority": "majority class"}
HUMAN = "single raters"
"""The row of the ceiling: each rater in turn against the distribution of the others."""
