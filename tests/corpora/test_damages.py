"""Stage 1 on every damage of the table: exit status and message; `python tests/corpora/damages.py` prints the table."""

import pytest
from corpora.damages import DAMAGES, MAKERS, outcome


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, mini_corpus):
    """The folder of each undamaged corpus, made once."""
    made = {"mini": mini_corpus}

    def of(corpus):
        if corpus not in made:
            made[corpus] = tmp_path_factory.mktemp(corpus) / corpus
            MAKERS[corpus](made[corpus])
        return made[corpus]

    return of


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_a_damage_gives_its_status_and_message(damage, pristine, tmp_path):
    status, message = outcome(damage, pristine(damage.corpus), tmp_path)
    assert (status, damage.message in message) == (damage.status, True), message
