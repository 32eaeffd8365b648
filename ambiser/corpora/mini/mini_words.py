"""Lists the sentences of the embedded corpus: templates with emotional words, and neutral phrases."""

import numpy as np

_NAMES = ("the form", "the job", "the letter", "the dog", "the car", "our trip", "the house", "my brother", "the party",
          "the ticket", "your phone", "the boat", "this place", "the exam", "the wedding", "the meeting")  # fmt: skip
_TIMES = ("today", "again", "this morning", "last night", "tomorrow", "right now", "this week", "on monday")
_PLAIN = (
    "i was going to ask about {n} {t}", "you know i saw {n} {t}", "what do you want me to say about {n}",
    "i do not know about {n}", "so it is about {n} then", "tell me about {n} {t}", "it has been {n} all along",
    "well that is {n} for you", "i think it was {n}", "are you talking about {n}", "come on it is only {n}",
    "look at {n} {t}", "did you hear about {n}", "it is {n} {t}", "i just want to talk about {n}",
)  # fmt: skip
_TEMPLATES = {
    "neu": ("{n} is at the office {t}", "please sign {n} {t}", "the number of {n} is in the book",
            "we need {n} by noon {t}", "okay i will check {n} {t}", "it takes an hour to get {n}"),
    "hap": ("i am so glad about {n} {t}", "{n} was lovely {t}", "that is really nice i love {n}",
            "i feel good about {n} {t}", "thank you {n} is wonderful"),
    "exc": ("oh my god we got {n}", "i can not wait for {n} {t}", "wow {n} is amazing {t}", "guess what we won {n}",
            "yes yes {n} is finally here"),
    "sad": ("i miss {n} so much {t}", "{n} is gone and i am alone", "i lost {n} {t}", "i cried about {n} {t}",
            "nothing will bring {n} back", "i am sorry about {n}"),
    "ang": ("get out and take {n} with you", "how dare you touch {n}", "i hate {n} shut up",
            "do not lie to me about {n}", "you ruined {n} damn it", "i am sick of {n} {t}"),
    "fru": ("i have been waiting for {n} for hours", "why is {n} never ready", "nobody can help me with {n}",
            "i told you about {n} three times", "{n} does not work {t}", "this is ridiculous it is {n} {t}"),
    "fea": ("i am scared of {n}", "what if {n} does not come back", "please do not leave me with {n}"),
    "sur": ("what {n} is here", "really {n} {t}", "no way that is {n}"),
    "dis": ("{n} is disgusting {t}", "that smell of {n} makes me ill"),
    "oth": ("hm {n} or whatever", "so {n} huh"),
}  # fmt: skip
_TAGS = {"hap": "[LAUGHTER]", "exc": "[LAUGHTER]", "sad": "[BREATHING]", "fru": "[BREATHING]"}


def write_sentence(emotion: str, *, carries: bool, rng: np.random.Generator) -> tuple[str, list[str]]:
    """Makes up a sentence.

    Args:
        emotion: one of the labels.
        carries: whether the words say the emotion, or nothing in particular.
        rng: generator.

    Returns:
        The transcript (with a capital, a full stop and perhaps a tag), and its bare words.
    """
    templates = _TEMPLATES[emotion] if carries else _PLAIN
    template = templates[rng.integers(len(templates))]
    words = template.format(n=_NAMES[rng.integers(len(_NAMES))], t=_TIMES[rng.integers(len(_TIMES))]).split()
    text = " ".join("I" if word == "i" else word for word in words)
    text = text[0].upper() + text[1:] + ("?" if words[0] in ("what", "why", "did", "are", "really") else ".")
    tag = _TAGS.get(emotion)
    if tag and carries and rng.random() < 0.15:
        text = f"{tag} {text}"
    return text, words
