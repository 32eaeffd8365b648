"""Divides audio for a model: short utterances into batches, long recordings into overlapping chunks."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

# Overlap of two chunks; each one contributes the half that is farther from its own edge.
OVERLAP_S = 4


def plan_batches(samples: Mapping[str, int], limit: int) -> Iterator[list[str]]:
    """Yields batches of utterances of similar length, the longest first, within a limit that includes padding.

    Args:
        samples: length by utterance.
        limit: largest number of samples per batch, padding included; a longer utterance is a batch of its own.
    """
    batch: list[str] = []
    for utt in sorted(samples, key=lambda utt: (-samples[utt], utt.encode("utf-8"))):
        if batch and samples[batch[0]] * (len(batch) + 1) > limit:
            yield batch
            batch = []
        batch.append(utt)
    if batch:
        yield batch


def cut(samples: int, *, longest: int, overlap: int, hop: int) -> list[slice]:
    """Returns overlapping chunks of audio; every chunk starts on a frame.

    Args:
        samples: length of the audio.
        longest: largest number of samples per chunk, rounded down to whole frames.
        overlap: samples that two chunks share, fewer than `longest`; rounded down to whole frames.
        hop: samples from one frame to the next.
    """
    longest, overlap = longest // hop * hop, overlap // hop * hop
    starts = range(0, max(samples - overlap, 1), longest - overlap)
    return [slice(start, min(start + longest, samples)) for start in starts]


def join(chunks: Sequence[slice], hidden: Sequence[Sequence[np.ndarray]], *, hop: int) -> list[np.ndarray]:
    """Returns the hidden states of the whole audio, (T, D) per layer; chunks meet in the middle of their overlap.

    Args:
        chunks: from `cut`.
        hidden: (T, D) per layer, for each chunk.
        hop: samples from one frame to the next.
    """
    spans = list(_spans(chunks, [len(states[0]) for states in hidden], hop))
    parts = [[state[span] for state in states] for states, span in zip(hidden, spans, strict=True)]
    return [np.concatenate(layer) for layer in zip(*parts, strict=True)]


def _spans(chunks: Sequence[slice], frames: Sequence[int], hop: int) -> Iterator[slice]:
    """Yields the frames that each chunk contributes, counted from its own first frame."""
    first = 0  # frames covered so far
    for number, (chunk, count) in enumerate(zip(chunks, frames, strict=True)):
        begin = chunk.start // hop
        is_last = number + 1 == len(chunks)
        end = begin + count if is_last else (chunks[number + 1].start + chunk.stop) // 2 // hop
        yield slice(first - begin, end - begin)
        first = end
