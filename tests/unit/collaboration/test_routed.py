import shutil

import pytest

from augtune.collaboration.routed import ExampleSettings, RoutedModel
from augtune.collaboration.router import Router
from augtune.collaboration.settings import AskSettings
from augtune.core.errors import DataError, InputError, StorageError
from augtune.core.files import read_json, write_json
from augtune.core.labels import Labels
from augtune.llm.settings import LLMSettings
from augtune.training.train import train as fit


@pytest.fixture(scope="module")
def fitted(tiny_encoder):
    from augtune.core.dataset import Example, HumanDataset

    labels = Labels(("negative", "positive"))
    rows = [("a boring film", "negative"), ("awful", "negative"), ("fun", "positive"), ("great fun", "positive")]
    data = HumanDataset.from_examples([Example(f"r{i}", t, y) for i, (t, y) in enumerate(rows)], labels, name="train")
    return fit(data, encoder=tiny_encoder, steps=3, batch_size=4)


def routed(fitted, threshold=2.0, **fields):
    return RoutedModel(fitted, Router(fitted.labels, threshold, classifier=fitted.fingerprint), AskSettings(), **fields)


def test_routed_model_answers_like_a_model(fitted, test, answering):
    model = answering(lambda request: "positive" if "great" in request.text else "negative")
    found = routed(fitted).predict(test, llm=model.llm)
    assert found.predicted == test.label_names
    assert found.sent == test.ids
    assert found.cost.calls == 3
    assert "Classifier" not in model.seen[0].text
    assert routed(fitted).predict(["a great film"], llm=model.llm).ids == ("text-0000",)


def test_nothing_is_asked_where_the_classifier_is_sure(fitted, test):
    found = routed(fitted, 0.0, llm=LLMSettings(model="openai/gpt-4.1-mini")).predict(test)
    assert found.sent == ()
    assert found.predicted == fitted.predict(test).predicted
    with pytest.raises(InputError, match=r"^routed model: rows have to be sent to a language model, and none is named"):
        routed(fitted).predict(test)


def test_saved_model_is_the_same_and_holds_no_budget_cache_or_recording(fitted, train, test, tmp_path, answering):
    llm = LLMSettings(model="openai/gpt-4.1-mini", budget="1 USD", cache=tmp_path / "x.sqlite", timeout_s=9)
    examples = ExampleSettings(similar=1, choose="random")
    routed(fitted, 0.6, llm=llm, examples=examples, pool=train).save(tmp_path / "model")
    again = RoutedModel.load(tmp_path / "model")
    assert again.llm == LLMSettings(model="openai/gpt-4.1-mini", timeout_s=9)
    assert again.pool.fingerprint == train.fingerprint
    assert again.form.name == "examples"
    assert again.router.threshold == 0.6
    model = answering(lambda request: "negative")
    assert again.predict(test, llm=model.llm).ids == test.ids
    again.save(tmp_path / "model")
    routed(fitted, 0.6).save(tmp_path / "model")
    assert RoutedModel.load(tmp_path / "model").pool is None


def test_own_form_travels_with_the_model(fitted, test, tmp_path, answering):
    own = tmp_path / "mine.jinja2"
    own.write_text("---\nid: mine\nversion: 1\nlanguage: en\n---\n{{ decision }}? {{ text }}\n")
    RoutedModel(fitted, Router(fitted.labels, 2.0), AskSettings(form=str(own))).save(tmp_path / "model")
    own.unlink()
    model = answering(lambda request: "negative")
    moved = shutil.move(tmp_path / "model", tmp_path / "moved")
    RoutedModel.load(moved).predict(["a film"], llm=model.llm)
    assert model.seen[0].text.endswith("? a film")


def test_changed_wording_is_refused(fitted, tmp_path):
    routed(fitted).save(tmp_path / "model")
    about = read_json(tmp_path / "model" / "router.json")
    write_json(tmp_path / "model" / "router.json", {**about, "form": "ask-label-probabilities@0#00000000"})
    with pytest.raises(InputError, match=r"and the model was saved with ask-label-probabilities@0#00000000\."):
        RoutedModel.load(tmp_path / "model")


def test_model_refuses_what_does_not_belong_together(fitted, tmp_path):
    with pytest.raises(DataError, match=r"^router: it was chosen for the classifier ffff00, and this one is "):
        RoutedModel(fitted, Router(fitted.labels, 0.5, classifier="ffff00"), AskSettings())
    with pytest.raises(DataError, match=r"^router: its labels are a · b, the classifier's are negative · positive\.$"):
        RoutedModel(fitted, Router(Labels(("a", "b")), 0.5), AskSettings())
    with pytest.raises(InputError, match=r"^form 'examples' shows examples, and examples.similar is 0\.$"):
        RoutedModel(fitted, Router(fitted.labels, 0.5), AskSettings(form="examples"))
    with pytest.raises(InputError, match=r"^examples: there is no pool of labelled rows to take them from\.$"):
        routed(fitted, examples=ExampleSettings(similar=2))
    with pytest.raises(InputError, match=r"holds no routed model \(router.json is missing\)\.$"):
        RoutedModel.load(tmp_path)
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(StorageError, match=r"holds something that is no routed model; it was left alone\.$"):
        routed(fitted).save(tmp_path)


def test_a_save_that_was_cut_off_is_begun_again(fitted, tmp_path, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(type(fitted), "save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            routed(fitted).save(tmp_path / "model")
    (tmp_path / "model" / "model").mkdir()
    with pytest.raises(InputError, match=r"holds no routed model \(router.json is missing\)\.$"):
        RoutedModel.load(tmp_path / "model")
    routed(fitted).save(tmp_path / "model")
    assert RoutedModel.load(tmp_path / "model").pool is None
    assert not (tmp_path / "model" / ".unfinished").exists()
