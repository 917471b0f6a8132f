"""A choice from beginning to end, with a tiny encoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import augtune as at
from augtune.core.errors import DataError, SettingsError
from augtune.core.labels import Labels
from augtune.experiment.store import RunFolder
from training_rows import human_rows, synthetic_rows

HUMAN, MADE = human_rows(24), synthetic_rows(30)
SHORT: Mapping[str, object] = {"steps": 45, "batch_size": 4}
# The tiny encoder finds all texts alike.
CHOOSE: Mapping[str, object] = {
    "candidates": [
        "probe",
        "contrastive",
        {"kind": "mix", "weight": 0.25},
        "two_stage",
        "imp",
        {"kind": "best_quality", "share": 0.5},
    ],
    "folds": {"folds": 3, "repeats": 1, "near": 1.0},
}


def choose(encoder: str, **others: object) -> at.Fitted:
    return at.fit(HUMAN, MADE, encoder=encoder, curate=[], **{**SHORT, "choose": CHOOSE, **others})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def chosen(tiny_encoder) -> at.Fitted:
    return choose(tiny_encoder)


def test_the_same_seed_chooses_the_same_and_makes_the_same_model(chosen, tiny_encoder):
    again = choose(tiny_encoder)
    assert again.fingerprint == chosen.fingerprint
    assert [(one.name, one.gain, one.score) for one in again.decision.tried] == [
        (one.name, one.gain, one.score) for one in chosen.decision.tried
    ]


def test_decision_says_what_was_tried_and_what_it_cost(chosen):
    decision = chosen.decision
    assert {one.name for one in decision.tried} >= {
        "probe",
        "contrastive",
        "mix 0.25",
        "two_stage",
        "imp",
        "best_quality 0.5",
    }
    assert decision.trainings == decision.steps / 45 <= 6
    # the rest is human rows alone: a training on each of two folds
    finals = 45 * sum(name != "probe" for name in decision.members)
    rest = decision.steps - finals - sum(one.steps for one in decision.tried)
    assert rest == 2 * 45
    assert (decision.human, decision.synthetic, decision.folds, decision.repeats) == (24, 30, 3, 1)
    assert [one.gain for one in decision.tried] == sorted((one.gain for one in decision.tried), reverse=True)
    assert set(decision.members) <= {
        "human_only",
        "probe",
        "contrastive",
        "mix 0.25",
        "two_stage",
        "imp",
        "best_quality 0.5",
    }
    assert {one.label for one in decision.classes} == {"negative", "positive"}
    assert str(decision).startswith(f"chosen: {decision.chosen} · {decision.because}\n")


def test_decision_is_saved_with_the_model(chosen, tmp_path):
    read = at.Fitted.load(chosen.save(tmp_path / "model"))
    assert read.decision == chosen.decision
    np.testing.assert_array_equal(read.predict(HUMAN).probabilities, chosen.predict(HUMAN).probabilities)


def test_a_choice_that_was_cut_off_carries_on(chosen, tiny_encoder, tmp_path, monkeypatch):
    real, made = RunFolder._stage, []

    def cut(self, sort, folder, make, about):
        if len(made) == 4:
            raise KeyboardInterrupt
        made.append(folder)
        return real(self, sort, folder, make, about)

    monkeypatch.setattr(RunFolder, "_stage", cut)
    with pytest.raises(KeyboardInterrupt):
        choose(tiny_encoder, folder=tmp_path / "work")
    before = {path: path.stat().st_mtime_ns for path in Path(tmp_path / "work").rglob("stamp.json")}
    assert len(before) == 4
    monkeypatch.setattr(RunFolder, "_stage", real)
    again = choose(tiny_encoder, folder=tmp_path / "work")
    assert again.fingerprint == chosen.fingerprint
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_fewer_trainings_are_spent_where_fewer_are_allowed(tiny_encoder):
    decision = choose(tiny_encoder, choose={**CHOOSE, "trainings": 1, "learning": False}).decision
    assert decision.steps <= 45
    assert decision.notes == (
        "Expected before anything was measured, in points: mix 0.25 +5.0, two_stage +5.0, imp +5.0, best_quality 0.5 +5.0.",
        "No way was trained on folds: the steps allowed leave none for short trainings.",
    )
    assert decision.learning == ()
    assert [one.name for one in decision.left_out] == ["probe", "contrastive"]


def test_a_time_that_is_over_leaves_the_final_training(tiny_encoder):
    decision = choose(tiny_encoder, choose={**CHOOSE, "max_seconds": 1e-6}).decision
    assert decision.notes[1:] == ("The time allowed was over after 0 of 2 folds.",)
    assert decision.trainings in (1.0, 2.0)
    assert all(one.rung == 0 for one in decision.tried)


def test_without_synthetic_rows_what_needs_them_is_left_out(tiny_encoder):
    decision = at.fit(HUMAN, encoder=tiny_encoder, choose=CHOOSE, **SHORT).decision
    assert {one.name: one.because for one in decision.left_out} == dict.fromkeys(
        ("mix 0.25", "two_stage", "imp", "best_quality 0.5"), "there are no synthetic rows"
    )
    assert {"probe", "contrastive", "average of human_only and contrastive"} <= {one.name for one in decision.tried}


def test_too_few_steps_for_the_final_training_are_refused(tiny_encoder):
    with pytest.raises(SettingsError) as found:
        choose(tiny_encoder, choose={"max_steps": 30})
    assert str(found.value) == "choose.max_steps: expected at least 45, which the final training takes; got 30"


@pytest.fixture(scope="module")
def small(tiny_encoder, tmp_path_factory):
    """The model that learned from an average, its stages' folder, and how it was asked for."""
    asked = {"candidates": ["mix"], "folds": {"folds": 2, "repeats": 1, "near": 1.0}, "learning": False}
    how = {"choose": {**asked, "distill": True, "trainings": 3}, "folder": tmp_path_factory.mktemp("small")}
    return choose(tiny_encoder, **how), how


def test_an_average_is_distilled_into_one_model_when_asked(small, tiny_encoder, tmp_path):
    fitted, how = small
    decision = fitted.decision
    assert decision.distilled
    assert decision.taken == f"{decision.chosen}, distilled into one model"
    assert str(decision).startswith(f"chosen: {decision.taken} · ")
    assert decision.notes[-1].startswith("The model is one that learned the probabilities of the average")
    assert len(decision.members) == 2
    assert (decision.steps, decision.trainings) == (3 * 45, 3.0)
    assert fitted.recipe == f"distilled {'+'.join(decision.members)}"
    read = at.Fitted.load(fitted.save(tmp_path / "model"))
    assert read.decision == decision
    assert not list((tmp_path / "model").glob("member-*"))
    average = choose(tiny_encoder, choose={**how["choose"], "distill": False})
    assert average.decision.members == decision.members
    near = np.abs(average.predict(HUMAN).probabilities - fitted.predict(HUMAN).probabilities)
    assert near.mean() < 0.1


def test_a_distilled_model_is_found_again(small, tiny_encoder):
    fitted, how = small
    before = {path: path.stat().st_mtime_ns for path in Path(how["folder"]).rglob("stamp.json")}
    again = choose(tiny_encoder, **how)
    assert again.fingerprint == fitted.fingerprint
    assert {path: path.stat().st_mtime_ns for path in Path(how["folder"]).rglob("stamp.json")} == before


def test_a_model_of_one_training_has_nothing_to_distill(tiny_encoder, monkeypatch):
    monkeypatch.setattr("augtune.choosing.choose._repeated", lambda search, names: names)
    asked = {"candidates": ["mix"], "distill": True, "trainings": 3, "learning": False}
    asked["decide"] = {"sure": 0.999, "likely": 0.999}
    decision = choose(tiny_encoder, choose={**asked, "folds": CHOOSE["folds"]}).decision
    assert not decision.distilled
    assert decision.taken == decision.chosen
    assert decision.notes[-1] == "There is nothing to distill: the model is that of one training."


def test_no_room_for_the_small_model_is_refused(tiny_encoder):
    with pytest.raises(SettingsError) as found:
        choose(tiny_encoder, choose={"max_steps": 134, "distill": True})
    assert str(found.value) == (
        "choose.max_steps: expected at least 135, which the two final trainings and that of the small model take "
        "(distill: true); got 134"
    )


def test_a_way_is_chosen_for_rows_with_several_labels(tiny_encoder, tmp_path):
    labels = Labels(("bad", "good", "long"), task="multi_label")

    def several(rows, kind):
        found = []
        for row in rows:
            mood = () if " day" in row.text else ("good" if row.label == "positive" else "bad",)
            names = (*mood, *(("long",) if "very" in row.text else ()))
            found.append(replace(row, label="", labels=names))
        return kind.from_examples(found, labels)

    human, made = several(HUMAN, at.HumanDataset), several(MADE, at.Dataset)
    asked = {"folds": {"folds": 3, "repeats": 1, "near": 1.0}, "exclude": ["mix 0.5", "mix 0.1"]}
    how = {"encoder": tiny_encoder, "curate": [], "threshold": 0.4, **SHORT}
    fitted = at.fit(human, made, choose=asked, **how)
    decision = fitted.decision
    one = "it is made for data.task single_label or ordinal"
    left = {way.name: way.because for way in decision.left_out}
    assert left == dict.fromkeys(
        ("contrastive", "quality", "imp", "dimp", "best_quality 0.5", "logit_adjusted"), one
    ) | {"balanced": left["balanced"]}
    assert {way.name for way in decision.tried} >= {"probe", "mix 1", "mix 0.25", "two_stage", "curriculum"}
    assert {way.label: way.human for way in decision.classes} == human.counts()
    assert decision.learning
    assert 0 < decision.base_score <= 1
    assert fitted.thresholds == (0.4, 0.4, 0.4)
    read = at.Fitted.load(fitted.save(tmp_path / "model"))
    assert (read.labels.task, read.decision, read.thresholds) == ("multi_label", decision, fitted.thresholds)
    assert at.fit(human, made, choose=asked, **how).fingerprint == fitted.fingerprint


def test_a_metric_that_is_not_made_for_the_task_is_refused(tiny_encoder):
    labels = Labels(("a", "b"), task="multi_label")
    rows = at.HumanDataset.from_examples(
        [replace(row, label="", labels=("ab"[i % 2],)) for i, row in enumerate(HUMAN)], labels
    )
    with pytest.raises(SettingsError, match=r"metric balanced_accuracy: made for data\.task single_label"):
        at.fit(rows, encoder=tiny_encoder, choose={"metric": "balanced_accuracy"})


def test_a_metric_that_cannot_decide_is_refused(tiny_encoder):
    with pytest.raises(SettingsError) as found:
        choose(tiny_encoder, choose={"metric": "nll"})
    assert str(found.value).startswith(
        "choose.metric: expected a share of which more is better, e.g. macro_f1; got nll"
    )


def test_a_metric_that_does_not_add_up_over_rows_is_refused(tiny_encoder):
    with pytest.raises(SettingsError) as found:
        choose(tiny_encoder, choose={"metric": "auroc"})
    assert str(found.value).startswith(
        "choose.metric: expected one that adds up over rows, as folds are scored by it, e.g. macro_f1; got auroc"
    )


@pytest.mark.parametrize("steps", [8, 45])
def test_folds_that_are_left_without_synthetic_rows_train_on_human_rows_alone(tiny_encoder, steps):
    made = at.Dataset.from_examples([replace(row, parents=("human-000",)) for row in MADE.take(range(6))], MADE.labels)
    asked = {key: value for key, value in CHOOSE.items() if key != "candidates"}  # all ways there are
    decision = choose_of(made, tiny_encoder, asked, steps=steps)
    assert {"mix 1", "best_quality 0.5", "imp", "dimp", "quality", "two_stage", "curriculum"} <= {
        one.name for one in (*decision.tried, *decision.left_out)
    }
    assert decision.trainings <= 6


def test_folds_without_synthetic_rows_are_no_trouble_where_rows_have_several_labels(tiny_encoder):
    labels = Labels(("a", "b"), task="multi_label")

    def several(rows: at.Dataset) -> list[at.Example]:
        return [replace(row, label="", labels=("ab"[i % 2],), parents=()) for i, row in enumerate(rows)]

    human = at.HumanDataset.from_examples(several(HUMAN), labels)
    made = at.Dataset.from_examples(several(MADE.take(range(1))), labels)
    decision = at.fit(human, made, encoder=tiny_encoder, curate=[], choose=CHOOSE, **SHORT).decision
    assert {one.name for one in decision.tried} >= {"mix 0.25", "two_stage"}


@pytest.mark.parametrize(("steps", "where"), [(45, "repeat 1, fold"), (8, "all rows")])
def test_a_way_that_cannot_be_trained_is_never_taken(tiny_encoder, steps, where):
    made = at.Dataset.from_examples([row for row in MADE if row.label == "positive"], MADE.labels)
    eager = {"candidates": ["imp"], "folds": CHOOSE["folds"], "decide": {"likely": 0.5, "sure": 0.51}}
    eager |= {"average": False} if steps == 45 else {"trainings": 1}  # leaves room for folds, or none
    decision = choose_of(made, tiny_encoder, eager, steps=steps)
    assert decision.chosen == "human_only"
    (one,) = decision.left_out
    assert one.name == "imp"
    assert one.because.startswith(where)
    assert "the diversity checker needs at least 2 synthetic rows in each of at least 2 classes" in one.because
    assert decision.tried == ()


def test_ways_that_contradict_the_settings_are_left_out_and_say_so(tiny_encoder):
    decision = choose(tiny_encoder, loss="focal", choose={**CHOOSE, "candidates": ["dimp", "two_stage"]}).decision
    (one,) = decision.left_out
    assert (one.name, one.because) == ("dimp", "TrainSettings.loss: recipe dimp brings its own; leave it out")
    assert "two_stage" in {tried.name for tried in decision.tried}


def test_epochs_are_the_steps_of_all_rows_for_every_way(tiny_encoder):
    kinds = {"average": False, "candidates": ["two_stage"], "folds": CHOOSE["folds"]}
    decision = at.fit(
        HUMAN, MADE, encoder=tiny_encoder, curate=[], epochs=2, batch_size=4, choose={**kinds, "max_steps": 27}
    ).decision
    assert decision.steps == 2 * (24 + 30) // 4
    assert decision.trainings == 1


def test_one_training_is_kept_for_the_end_where_none_is_averaged(tiny_encoder):
    asked = {**CHOOSE, "candidates": ["two_stage", "imp"], "average": False}
    decision = choose(tiny_encoder, choose=asked).decision
    assert len(decision.members) == 1
    assert sorted(one.rung for one in decision.tried) == [0, 1]
    assert decision.trainings == 5


def choose_of(made: at.Dataset, encoder: str, asked: Mapping[str, object], *, steps: int) -> at.Decision:
    how = {"encoder": encoder, "steps": steps, "batch_size": 4, "choose": asked}
    return at.fit(HUMAN, made, curate=[], **how).decision  # type: ignore[arg-type]


def test_synthetic_rows_are_no_human_rows(tiny_encoder):
    with pytest.raises(DataError) as found:
        at.fit(MADE, encoder=tiny_encoder)  # type: ignore[arg-type]
    assert str(found.value).startswith("fit: expected human rows as a HumanDataset, got a Dataset.")
