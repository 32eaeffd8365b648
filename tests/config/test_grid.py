"""Grids of values among which dev chooses: reading, checking, and the configuration of each point."""

import pytest

from ambiser.config import load_config
from ambiser.config.grid import points
from ambiser.errors import ConfigError


@pytest.fixture
def load(tmp_path):
    """Loads an experiment from YAML text with the words of --tune."""

    def load(*tune: str, text: str = "stages: [distill]\n", overrides=()):
        path = tmp_path / "x.yaml"
        path.write_text(text)
        return load_config(path, tune=tune, overrides=overrides)

    return load


def faults(call, *args, **words) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        call(*args, **words)
    head, *lines = str(caught.value).splitlines()
    assert head == "the configuration has faults:"
    return [line.strip() for line in lines]


def test_a_point_is_the_configuration_with_its_values_and_no_grid(load):
    tuned = load("amber.temperature=0.125,.25 amber.guidance=0.3,0.5,0.7")
    assert tuned.tune == {"amber.temperature": [0.125, 0.25], "amber.guidance": [0.3, 0.5, 0.7]}
    made = points(tuned)
    assert [point.name for point in made[:2]] == ["temperature=0.125,guidance=0.3", "temperature=0.125,guidance=0.5"]
    assert len(made) == 6
    assert made[5].config == load(overrides=["amber.temperature=0.25", "amber.guidance=0.7"])


def test_an_experiment_without_a_grid_has_no_points(load):
    assert points(load()) == ()


@pytest.mark.parametrize(("stages", "last"), [("[distill]", "distill"), ("[prototypes, update]", "update")])
def test_a_key_without_a_section_is_one_of_the_last_training_stage(load, stages, last):
    tuned = load("epochs=5,10", text=f"stages: {stages}\n")
    assert tuned.tune == {f"{last}.epochs": [5, 10]}
    assert [getattr(point.config, last).epochs for point in points(tuned)] == [5, 10]


def test_the_option_replaces_the_grid_of_the_file(load):
    text = "stages: [prototypes]\ntune: {ipr.target_momentum: [[0.9, 0.7], [0.9, 0.8]], model.hidden: [8]}\n"
    assert [point.name for point in points(load(text=text))] == [
        "target_momentum=0.9:0.7,hidden=8",
        "target_momentum=0.9:0.8,hidden=8",
    ]
    assert load("epochs=5", text=text).tune == {"prototypes.epochs": [5]}
    assert load(text=text, overrides=["tune={}"]).tune == {}


def test_keys_of_one_name_keep_their_sections_in_the_names_of_points(load):
    tuned = load("prototypes.epochs=5 update.epochs=7", text="stages: [prototypes, update]\n")
    assert [point.name for point in points(tuned)] == ["prototypes.epochs=5,update.epochs=7"]


def test_all_faults_are_named_at_once(load):
    words = "epochs=5,x,-1 amber.temprature=1 amber.guidance=0,nan distill.epochs=3"
    assert faults(load, words) == [
        f"--tune {word}"
        for word in (
            "epochs=5,x,-1: distill.epochs: should be a valid integer, unable to parse string as an integer, got 'x'",
            "epochs=5,x,-1: distill.epochs: should be greater than or equal to 1, got '-1'",
            "amber.temprature=1: unknown key 'amber.temprature'; did you mean 'amber.temperature'?",
            "amber.guidance=0,nan: amber.guidance: should be a finite number, got 'nan'",
            "distill.epochs=3: distill.epochs is given twice; give all its values at once",
        )
    ]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ("data.dev=next_session", "--tune data.dev=next_session: data.dev cannot be tuned: it may change the data"),
        ("labels.smoothing=0,0.1", "labels.smoothing cannot be tuned: it may change the data or what is scored"),
        ("score.calibration=none", "score.calibration cannot be tuned"),
        ("stages=distill", "stages cannot be tuned"),
        ("ssl=fbank,hubert_base", "ssl cannot be tuned"),
        ("train.threads=1,2", "train.threads cannot be tuned"),
        ("model.encoder=frozen", "model.encoder cannot be tuned: it changes the input"),
        ("amber.student=A,T", "amber.student cannot be tuned: it changes the input"),
        ("amber.mc_dropout=0,9", "amber.mc_dropout cannot be tuned: the dev score is computed without it"),
        ("select=jsd,ua", "distill.select cannot be tuned: the points are compared by this dev score"),
        ("contrastive.epochs=3", "contrastive.epochs cannot be tuned: it plays no part in this experiment"),
        ("ipr.queue=0,9", "ipr.queue cannot be tuned: it plays no part in this experiment"),
        ("finetune.learning_rate=1e-5", "finetune.learning_rate cannot be tuned: it plays no part"),
        ("amber=1", "amber is a section; name its keys, such as amber.target"),
        ("epochs=5,05", "distill.epochs: 5 is given twice"),
        ("epochs=5 epochs=7", "--tune epochs=7: epochs is given twice"),
        ("epochs", "--tune epochs: must look like key=value,value"),
        ("epochs=", "--tune epochs=: must look like key=value,value"),
        ("epochs=" + ",".join(map(str, range(1, 202))), "the grid has 201 points; at most 200 are allowed"),
    ],
)
def test_what_cannot_be_tuned_is_refused(load, words, fault):
    (line,) = faults(load, words)
    assert fault in line


def test_a_fault_in_a_file_names_its_line(load, tmp_path):
    text = "stages: [distill]\ntune:\n  distill.epochs: []\n  model.hiden: [3]\n"
    assert faults(load, text=text) == [
        f"{tmp_path}/x.yaml:3: distill.epochs: has no values",
        f"{tmp_path}/x.yaml:4: unknown key 'model.hiden'; did you mean 'model.hidden'?",
    ]


def test_values_that_do_not_fit_together_name_the_point(load):
    (line,) = faults(load, "amber.modality_dropout=0,0.2", text="amber: {student: A, guidance: 0, teacher: 0}\n")
    assert line == "--tune: modality_dropout=0.2: amber: modality_dropout needs head AT; the heads are A"


def test_a_grid_may_not_change_which_features_are_read(load):
    """Speech alone at guidance 0; with guidance the teachers read text, for which stage 2 made no features."""
    (line,) = faults(load, "amber.guidance=0,0.5", text="amber: {student: A, guidance: 0, teacher: 0}\n")
    assert line == "--tune: guidance=0.5 changes which features the experiment reads"


def test_a_key_that_no_point_reads_is_refused_and_one_that_some_points_read_is_not(load):
    text = "amber: {guidance: 0}\n"
    (line,) = faults(load, "amber.temperature=0.1,0.2", text=text)
    assert line == "--tune: amber.temperature cannot be tuned: it plays no part in this experiment"
    assert len(points(load("amber.temperature=0.1,0.2 amber.guidance=0,0.5", text=text))) == 4


def test_the_last_epoch_is_no_dev_score(load):
    (line,) = faults(load, "epochs=5,10", text="distill: {select: last}\n")
    assert line == "--tune: tune needs a dev score, and distill.select is last; set jsd, calibrated_jsd, ua or accuracy"
