"""Draws the embedding space of a system, and its speech head against its text head."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ambiser.labels.entropy import entropy_bits
from ambiser.labels.label_view import PRECISE
from ambiser.report.conflict import THIRDS, conflict_thirds
from ambiser.report.figure_style import COLORS, INK, new_figure
from ambiser.report.system_details import HEADS, Detail
from ambiser.scoring.score_names import METRICS
from ambiser.scoring.utterance_scores import bhattacharyya

MOST_POINTS = 1500
_ENTROPIES = (1e-9, 0.5 + 1e-9, 1 + 1e-9)  # bits: borders of the bins in which weights are averaged


def draw_embeddings(detail: Detail, classes: Sequence[str], seed: int = 0) -> Figure:
    """Draws the test utterances of one fold and the prototypes by t-SNE; colors are classes by majority."""
    from sklearn.manifold import TSNE

    row_of = {utt: i for i, utt in enumerate(detail.fold.utts)}
    here = [i for i, name in enumerate(detail.names) if name in row_of][:MOST_POINTS]
    rows = np.array([row_of[detail.names[i]] for i in here])
    vectors = np.concatenate([detail.embeddings[here], detail.prototypes]).astype(float)
    perplexity = min(30, max(2, (len(vectors) - 1) // 3))
    points = TSNE(perplexity=perplexity, init="pca", random_state=seed, metric="cosine").fit_transform(vectors)
    hard, kind = detail.fold.hard[rows], detail.fold.kind[rows]
    figure, axis = new_figure(4.4)
    own = points[: len(here)]
    without = own[hard < 0]
    axis.plot(without[:, 0], without[:, 1], "x", color=INK, markersize=3.5, alpha=0.6)
    for number, name in enumerate(classes):
        color = COLORS[number % len(COLORS)]
        for precise in (True, False):
            chosen = own[(hard == number) & ((kind == PRECISE) == precise)]
            face = color if precise else "none"
            axis.plot(chosen[:, 0], chosen[:, 1], "o", color=color, markerfacecolor=face, markersize=3.5, alpha=0.75)
        star = points[len(here) + number]
        axis.plot(*star, "*", color=color, markersize=15, markeredgecolor=INK, markeredgewidth=0.8)
        axis.plot([], [], "o", color=color, markersize=4, label=name)
    axis.plot([], [], "o", color=INK, markerfacecolor="none", markersize=4, label="ambiguous (hollow)")
    axis.plot([], [], "x", color=INK, markersize=4, label="no majority")
    axis.plot([], [], "*", color=INK, markerfacecolor="none", markersize=9, label="prototype")
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def draw_conflict(details: Sequence[Detail]) -> Figure:
    """Draws teacher weights against vote entropy, and BC of every head by conflict between speech and text."""
    voted = np.concatenate([entropy_bits(detail.fold.soft) for detail in details])
    conflict = np.concatenate([detail.heads.conflict() for detail in details])
    soft = np.concatenate([detail.fold.soft for detail in details])
    figure, (above, below) = new_figure(4.4, 2)
    group = np.searchsorted(_ENTROPIES, voted)
    for number, teacher in enumerate(details[0].heads.weights):
        weight = np.concatenate([detail.heads.weights[teacher] for detail in details])
        color = COLORS[number]
        above.plot(voted, weight, ".", color=color, markersize=3, alpha=0.25, markeredgewidth=0)
        places = [(voted[group == g].mean(), weight[group == g].mean()) for g in np.unique(group)]
        above.plot(*zip(*places, strict=True), "o-", color=color, markersize=5, label=HEADS[teacher])
    above.set(xlabel="entropy of the votes (bits)", ylabel="teacher weight", ylim=(-0.03, 1.03))
    above.legend(loc="upper center", ncols=2)
    third = conflict_thirds(conflict)
    for number, head in enumerate(details[0].heads.probs):
        probs = np.concatenate([detail.heads.probs[head] for detail in details])
        scores = [bhattacharyya(probs[third == g], soft[third == g]).mean() for g in np.unique(third)]
        below.plot(np.unique(third), scores, "o-", color=COLORS[number], markersize=5, label=HEADS[head])
    names = [f"{THIRDS[g]}\n{(third == g).sum():,} utt." for g in np.unique(third)]
    below.set_xticks(np.unique(third), names)
    below.set(xlabel="conflict: JSD of speech and text, thirds", ylabel=f"{METRICS['bc'].title} {METRICS['bc'].arrow}")
    below.legend(loc="lower left", ncols=3)
    return figure
