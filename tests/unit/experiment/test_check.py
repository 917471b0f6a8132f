import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from augtune.core.errors import DataError, ExtraError, InputError, SettingsError
from augtune.experiment import check as module
from augtune.experiment.check import check
from augtune.experiment.run import run

HELPDESK = Path(__file__).parents[3] / "examples" / "helpdesk"


def plan(**changes):
    base = {
        "name": "x",
        "seeds": [0, 1],
        "data": {"source": str(HELPDESK), "columns": {"text": "message", "label": "intent"}},
        "train": {"steps": 10, "encoder": "bundled/minilm"},
        "arms": {"human only": {}},
    }
    return {**base, **changes}


def test_helpdesk_is_checked_whole():
    found = check(HELPDESK / "helpdesk.yaml")
    assert (len(found.human.train), len(found.human.test)) == (120, 240)
    assert found.changes["human only"] == ("generate: null", "curate: null")
    assert found.changes["dimp"] == ("train.recipe: dimp",)
    assert [g.generator.kind for g in found.generators] == ["gpt3mix", "rephrase"]
    assert all(len(g.prompts) == 3 and len(set(g.prompts)) == 3 for g in found.generators)
    assert found.generators[0].arms == ("human + generated", "two-stage", "dimp")
    assert found.usd == 0.0
    assert found.trainings == 12
    assert found.seconds is not None
    assert found.seconds > 0
    assert found.warnings == ()


def test_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check(HELPDESK / "helpdesk.yaml")
    assert list(tmp_path.rglob("*")) == []


def test_cost_is_tokens_times_price(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    generate = {"kind": "gpt3mix", "per_class": 2}
    llm = {"model": "openai/some-model", "price": {"input": 2.0, "output": 4.0}}
    found = check(plan(generate=generate, llm=llm, seeds=[0]))
    estimate = found.generators[0].estimate
    assert estimate.calls == 12
    assert found.usd == pytest.approx((2 * estimate.tokens_in + 4 * estimate.tokens_out) / 1e6)
    assert found.warnings == (
        "the environment variable OPENAI_API_KEY is not set; a run will stop at its first call.",
        "with one seed, chance in training is not measured; three or more show it.",
    )


def test_unknown_price_is_not_guessed():
    found = check(plan(generate="gpt3mix", llm={"model": "openai/never-heard-of"}))
    assert found.usd is None


def test_generator_without_language_model_is_refused():
    with pytest.raises(SettingsError, match=r"^llm: missing; gpt3mix needs a language model"):
        check(plan(generate="gpt3mix"))


def test_recipes_that_need_synthetic_rows_are_refused_without():
    arms = {"a": {"train": {"recipe": "two_stage"}}, "b": {"train": {"recipe": "dimp"}}}
    with pytest.raises(SettingsError) as error:
        check(plan(arms=arms))
    assert [line.split(":")[0] for line in error.value.problems] == ["arms.a", "arms.b"]


def test_missing_file_of_rows_is_refused(tmp_path):
    missing = tmp_path / "rows.jsonl"
    with pytest.raises((SettingsError, DataError), match="no such file"):
        check(plan(generate={"kind": "imported", "path": str(missing)}))


def test_contamination_against_rows_there_are_not_is_refused(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "my lamp is late", "label": "delivery"}\n')
    generate = {"kind": "imported", "path": str(rows)}
    with pytest.raises(SettingsError) as error:
        check(plan(generate=generate, curate=[{"kind": "contamination", "against": "validation"}]))
    assert error.value.problems == (
        "arms.human only: curate: contamination.against: validation, but data.validation is none",
    )


def test_label_without_training_rows_is_refused():
    rows = [i for i, line in enumerate(_lines()) if not line.rstrip().endswith("suggestion")][:60]
    data = {**plan()["data"], "train": str(rows)}
    with pytest.raises(SettingsError, match=r"arms\.human only: no training row has the label 'suggestion'"):
        check(plan(data=data))


def _lines():
    import csv

    with (HELPDESK / "train.csv").open(encoding="utf-8", newline="") as stream:
        return [row["intent"] for row in csv.DictReader(stream)]


def test_encoder_is_found_without_loading_it(tiny_encoder):
    assert module.find_encoder(tiny_encoder) == tiny_encoder


@pytest.mark.parametrize("name", ["bundled/minlm", "./nowhere"])
def test_encoder_that_is_nowhere_is_refused(name):
    with pytest.raises(InputError):
        check(plan(train={"encoder": name}))


def test_hub_encoder_is_refused_without_network(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="encoder 'nobody/nothing' could not be loaded") as error:
        check(plan(train={"encoder": "nobody/nothing"}))
    assert "use encoder: bundled/minilm" in str(error.value)


def test_hub_encoder_is_refused_when_the_hub_cannot_be_reached(monkeypatch):
    def unreachable(*args, **kwargs):
        raise ConnectionError("no route to host")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    with pytest.raises(InputError, match=r"the hub did not give it \(ConnectionError\)"):
        check(plan(train={"encoder": "nobody/nothing"}))


def test_time_is_not_known_of_an_encoder_that_is_not_here(monkeypatch):
    monkeypatch.setattr(module, "find_encoder", lambda name: name)
    assert check(plan(train={"encoder": "nobody/nothing"})).seconds is None


def test_paths_are_taken_beside_the_file(tmp_path, monkeypatch):
    shutil.copytree(HELPDESK, tmp_path / "copy")
    monkeypatch.chdir("/")
    assert len(check(tmp_path / "copy" / "helpdesk.yaml").human.train) == 120


def test_fine_tuned_checkers_count_in_the_time_and_probes_do_not(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_speed", lambda: 1e9)
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"text": "my lamp is late", "label": "delivery"}\n')
    shared = {"generate": {"kind": "imported", "path": str(rows)}}

    def seconds(**train):
        return check(plan(**shared, train={"steps": 10, "encoder": "bundled/minilm", **train})).seconds

    plain = seconds()
    assert seconds(recipe="dimp") == pytest.approx(plain)
    assert seconds(recipe="dimp", checkers={"model": "encoder", "folds": 3}) == pytest.approx(4 * plain)


def test_mixing_in_a_layer_the_encoder_has_not_is_refused():
    arms = {"mixed": {"train": {"mix": {"kind": "tmix", "layers": [5, 6]}}}, "right": {"train": {"mix": "tmix"}}}
    with pytest.raises(SettingsError) as caught:
        check(plan(arms=arms))
    assert caught.value.problems == (
        "arms.mixed.train.mix.layers: the encoder has 6 layers, counted from 0: expected 0 to 5, got 6",
    )


@pytest.mark.parametrize("command", [check, run])
def test_training_layers_the_encoder_has_not_is_refused_before_anything_is_paid_for(command):
    arms = {
        "right": {"train": {"trainable": 6}},
        "plain": {"train": {"trainable": 7}},
        "two": {"train": {"recipe": {"kind": "two_stage", "variant": "reweighted", "top_layers": 9}}},
    }
    with pytest.raises(SettingsError) as caught:
        command(plan(arms=arms))
    assert caught.value.problems == (
        "arms.plain.train.trainable: stage 'train' asks for the top 7 layers, and the encoder has 6; lower it, or "
        "top_layers of the recipe",
        "arms.two.train.trainable: stage 'stage 1' asks for the top 9 layers, and the encoder has 6; lower it, or "
        "top_layers of the recipe",
    )


@pytest.mark.skipif(find_spec("trackio") is not None, reason="trackio is installed")
def test_a_tracker_that_is_not_installed_is_told():
    with pytest.raises(ExtraError, match="'trackio' is needed to track training with trackio and is not installed"):
        check(plan(train={"tracker": "trackio"}))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (None, "expected the folder of a saved classifier, got {path}"),
        (
            ["yes", "no"],
            "the classifier's labels are yes · no, the rows' are "
            "billing · cancellation · delivery · login · malfunction · suggestion",
        ),
    ],
)
def test_saved_checkers_are_looked_at_before_anything_runs(tmp_path, labels, message):
    if labels is not None:
        (tmp_path / "augtune.json").write_text(json.dumps({"labels": labels}))
    train = {"recipe": "quality", "checkers": {"quality": str(tmp_path)}}
    with pytest.raises(SettingsError) as caught:
        check(plan(arms={"weighed": {"train": train, "generate": {"kind": "eda"}}}))
    assert caught.value.problems == (f"arms.weighed.train.checkers.quality: {message.format(path=tmp_path)}",)


def test_saved_checkers_that_are_nowhere_are_told():
    train = {"recipe": "quality", "checkers": {"quality": "nowhere"}}
    with pytest.raises(SettingsError) as caught:
        check(plan(arms={"weighed": {"train": train, "generate": {"kind": "eda"}}}))
    assert caught.value.problems == ("arms.weighed.train.checkers.quality: no such file: nowhere",)


def test_alpha_of_a_label_there_is_not_is_told():
    train = {"loss": {"kind": "ldam", "alpha": {"biling": 2.0}}}
    with pytest.raises(SettingsError) as caught:
        check(plan(arms={"a": {"train": train}}))
    assert caught.value.problems == (
        "arms.a.train: loss ldam: alpha: no label is called 'biling'; did you mean 'billing'?",
    )
