"""Shares code between the three phases of IPR: data, network, prototypes, views and measurements."""

import torch
from torch import Tensor

from ambiser.config.gaussian_keys import Gaussian
from ambiser.config.ipr_keys import Ipr
from ambiser.labels.label_view import AMBIGUOUS, PRECISE
from ambiser.models.encoder import IprNetwork
from ambiser.models.prototypes import PrototypeMemory, ambiguous_labels, prototype_cosines
from ambiser.train.dev_scores import dev_scores, forward_ipr, probs_ipr
from ambiser.train.gaussian_fit import GaussianPredictor, fit_gaussian
from ambiser.train.ipr_checkpoint import GAUSSIAN, join_modules
from ambiser.train.part import Part
from ambiser.train.precise_subset import keep_precise
from ambiser.train.views import draw_view, hide_layers
from ambiser.train.waveforms import Waveforms


class IprTask:
    """The common part of the phases.

    The majority label of an ambiguous utterance is withheld: `labels` holds -1 for it. Only `_agreement` reads it, and
    its result is only logged.

    Args:
        network: standardized, otherwise new.
        train: training utterances.
        dev: utterances that choose the epoch.
        settings: the section `ipr`.
        batch: utterances per step.
    """

    def __init__(self, network: IprNetwork, train: Part, dev: Part, settings: Ipr, *, batch: int) -> None:
        self.network, self.train, self.dev, self.settings, self.batch = network, train, dev, settings, batch
        self.classes = train.soft.shape[1]
        precise = torch.nonzero((train.kind == PRECISE) & (train.hard >= 0)).flatten().cpu()
        self.precise = keep_precise(train.utts, train.hard, precise, settings.precise_kept)
        self.ambiguous = torch.nonzero(train.kind == AMBIGUOUS).flatten().cpu()
        self.labels = torch.where(train.kind == PRECISE, train.hard, torch.full_like(train.hard, -1))  # (N,)
        self.memory = PrototypeMemory(self.classes, network.embedding_size, len(train))
        self.modules = join_modules(network, self.memory)
        self.gaussian: GaussianPredictor | None = None
        self.share_by_dev = False

    def add_gaussian(self, settings: Gaussian, *, refine: bool) -> None:
        """Fits Gaussian prototypes, which from now on predict and are part of the checkpoint."""
        ambiguous = self.ambiguous if refine else self.ambiguous[:0]
        fitted = fit_gaussian(self.train, self.labels, self.precise, ambiguous, settings)
        self.modules[GAUSSIAN] = fitted
        self.gaussian = GaussianPredictor(fitted, self.settings.predict_by)
        self.share_by_dev = settings.share == "dev" and self.settings.predict_by == "classifier_and_gaussian"

    def gather(self, index: Tensor) -> tuple[Tensor, Tensor | None]:
        """Gathers the common input of both views of a batch: standardized features and their mask.

        With a trained encoder it is the index, because each view reads its own waveforms.
        """
        if isinstance(self.train.speech, Waveforms):
            return index, None
        speech, mask, _ = self.train.inputs(index)
        return self.network.encoder.mix.standardize(speech), mask

    def encode_view(
        self, network: IprNetwork, gathered: tuple[Tensor, Tensor | None], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draws a view of the utterances and returns its logits (B, C) and embeddings (B, P).

        A trained encoder gets a view of the waveforms; otherwise the view is one of the features.
        """
        given, mask = gathered
        if isinstance(self.train.speech, Waveforms):
            return network(self.train.speech.drawn(given, generator, views=True))
        encoder, settings = network.encoder, self.settings
        if mask is None:
            given = hide_layers(given, settings.layer_mask, generator)  # (B, L, D)
        mixed = encoder.mix.sum_layers(given)  # (B, D), (B, 1, D) or (B, T, D)
        view = draw_view(
            mixed,
            mask,
            generator,
            feature_mask=settings.feature_mask,
            time_mask=settings.time_mask,
            noise=settings.noise,
        )
        return network.above_encoder(encoder.above_mix(view, mask))

    def ambiguous_labels(self, embeddings: Tensor) -> Tensor:
        """Returns the ambiguous labels (B, C) that the prototypes give to embeddings (B, P), eq. 3."""
        return ambiguous_labels(embeddings, self.memory.prototypes, self.settings.prototype_temperature)

    def guesses(self, embeddings: Tensor) -> dict[str, Tensor]:
        """Returns further predictions (B, C) of a phase by name, to compare with the withheld reference."""
        return {}

    def after_step(self) -> None:
        """Does nothing; a phase with a momentum encoder updates it here."""

    @torch.no_grad()
    def after_epoch(self) -> dict[str, object]:
        """Returns dev scores, cosines between the prototypes, and agreement on the ambiguous training utterances."""
        logits, embeddings = forward_ipr(self.network, self.dev)
        probs = probs_ipr(logits, embeddings, self.memory.prototypes, self.settings)
        if self.gaussian is not None:
            if self.share_by_dev:
                self.gaussian.choose_share(self.dev, probs)
            probs = self.gaussian.probs(self.dev, probs)
        scores = dev_scores(probs, self.dev)
        return {**scores, "prototype_cosine": prototype_cosines(self.memory.prototypes), **self._agreement()}

    def _agreement(self) -> dict[str, float | None]:
        """Compares classifier and prototypes with the withheld reference (IPR, figure 3).

        `agreement_both` is over utterances where classifier and prototypes agree, `both_share` is their share.
        """
        known = self.ambiguous[(self.train.hard[self.ambiguous] >= 0).cpu()]
        if len(known) == 0:
            return dict.fromkeys(("agreement_classifier", "agreement_prototypes", "agreement_both", "both_share"))
        logits, embeddings = forward_ipr(self.network, self.train, known)
        reference = self.train.hard[known]
        guesses = {"classifier": logits, "prototypes": self.ambiguous_labels(embeddings), **self.guesses(embeddings)}
        right = {name: scores.argmax(dim=1) == reference for name, scores in guesses.items()}  # (A,) each
        both = logits.argmax(dim=1) == guesses["prototypes"].argmax(dim=1)  # (A,)
        return {
            **{f"agreement_{name}": hits.float().mean().item() for name, hits in right.items()},
            "agreement_both": right["classifier"][both].float().mean().item() if both.any() else None,
            "both_share": both.float().mean().item(),
        }
