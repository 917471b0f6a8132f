"""Arms that ask a language model, or route to it, beside trained ones: one file, one table, one report."""

from __future__ import annotations

import json
import logging
import shutil

import pytest

import tiny_causal
from augtune.cli.tree import estimate_text, plan_text
from augtune.collaboration.routed import RoutedModel
from augtune.core.errors import BudgetError, DataError, ProviderError, SettingsError
from augtune.core.files import read_json, read_jsonl
from augtune.data import load
from augtune.experiment.check import check
from augtune.experiment.document import dump
from augtune.experiment.run import run
from augtune.llm.client import LLM
from augtune.llm.messages import Reply
from augtune.llm.providers import scripted
from augtune.reporting.html import report
from flows.small import experiment, write_task
from unit.collaboration.tune.conftest import Vendor, answer

BAD = ("bad", "awful", "hate", "boring", "late", "broken", "works", "never", "plot", "acting")
ARMS = {
    "human only": {"generate": None, "curate": None},
    "asked": {"ask": {"form": "classify", "text_type": "review"}},
    "told": {"ask": {"evidence": {"classifier": "human only", "similar": 1, "choose": "random"}}},
    "routed": {"route": {"classifier": "human only", "ask": {"form": "classify"}, "most_share": 0.5}},
}


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"))


class Oracle:
    """A model that knows the task, counts its calls and answers nothing sensible to texts with a given word."""

    def __init__(self, silent_at=None):
        self.calls, self.silent_at = 0, silent_at

    def __call__(self, request):
        self.calls += 1
        last = request.text.rpartition("the ")[2] if "the " in request.text else request.text
        if self.silent_at is not None and self.silent_at in request.text:
            return Reply("I would rather not say.", tokens_in=10, tokens_out=2)
        label = "negative" if last.split()[0] in BAD else "positive"
        return Reply(json.dumps({"label": label}), tokens_in=10, tokens_out=2)


@pytest.fixture
def answering(monkeypatch, tmp_path):
    """``answering(oracle)`` returns the ``llm:`` section of a model that answers so."""

    def make(oracle):
        (tmp_path / "replies.jsonl").write_text("")
        given = lambda self, request: oracle(request)  # noqa: E731
        monkeypatch.setattr(scripted.Scripted, "_next", given)
        return {"model": f"scripted/{tmp_path / 'replies.jsonl'}", "price": {"input": 1.0, "output": 2.0}}

    return make


def wanted(task, encoder, llm, arms=ARMS, **changes):
    return experiment(task, encoder, arms=arms, llm=llm, generate=None, curate=None, **changes)


def recomputed(folder):
    """Return the scores of results.json that predictions do not give."""
    values, wrong = read_json(folder / "results.json"), []
    for arm, scores in values["arms"].items():
        for one in scores["per_seed"]:
            rows = read_jsonl(folder / "predictions" / arm / f"seed-{one['seed']}.jsonl")
            assert len({row["id"] for row in rows}) == len(rows) == 40
            assert all(abs(sum(row["probabilities"].values()) - 1) < 1e-9 for row in rows)
            if abs(sum(row["label"] == row["predicted"] for row in rows) / 40 - one["accuracy"]) > 1e-9:
                wrong.append((arm, one["seed"]))
    return wrong


def test_arms_that_ask_and_route_stand_in_the_same_table(task, tiny_encoder, answering, tmp_path):
    oracle = Oracle()
    source = wanted(task, tiny_encoder, answering(oracle))
    result = run(source, out=tmp_path)
    values, details = result.values, result.details
    assert list(values["arms"]) == list(ARMS)
    assert recomputed(result.folder) == []
    asked, told, routed = (values["arms"][name] for name in ("asked", "told", "routed"))
    assert asked["rows"] == {"human": 0, "synthetic": 0}
    assert told["rows"] == {"human": 32, "synthetic": 0}
    assert asked["cost"] == {
        "usd": pytest.approx(40 * 14e-6),
        "calls": 40,
        "cached": 0,
        "tokens_in": 400,
        "tokens_out": 80,
    }
    assert asked["train_seconds"] == 0.0
    assert told["cost"]["calls"] == 80
    assert told["train_seconds"] == pytest.approx(values["arms"]["human only"]["train_seconds"])
    assert asked["mean"]["accuracy"] == 1.0
    assert asked["std"]["accuracy"] == 0.0
    assert details["arms"]["asked"]["model"].endswith(" · classify")
    assert details["arms"]["told"]["model"].endswith(" · all")
    assert details["arms"]["asked"]["weights"] is None
    assert details["arms"]["asked"]["settings"]["ask"]["text_type"] == "review"
    routing = details["arms"]["routed"]["routing"]
    assert len(routing["per_seed"]) == 2
    assert routing["curve"]["metric"] == "macro_f1"
    sent = [row for row in read_jsonl(result.folder / "predictions" / "routed" / "seed-0.jsonl") if row["sent"]]
    assert len(sent) == round(40 * routing["per_seed"][0]["share"])
    assert routed["mean"]["accuracy"] >= values["arms"]["human only"]["mean"]["accuracy"]
    assert routed["cost"]["calls"] >= 32
    assert details["arms"]["routed"]["costs"]["usd_per_1000_predictions"] == pytest.approx(routing["share"] * 0.014)
    assert {row["arm"] for row in values["comparisons"]} == {"asked", "told", "routed"}
    page = report(result.folder).read_text(encoding="utf-8")
    assert 'id="chart-routing-0"' in page
    assert "routed" in page
    assert details["arms"]["routed"]["model"] in page

    before, events = oracle.calls, []
    again = run(source, out=tmp_path, listen=events.append)
    assert oracle.calls == before
    assert {e["event"] for e in events if e["event"].startswith("stage-")} == {"stage-skipped"}
    assert again.values == values

    resolved = run(result.folder / "experiment.yaml", ["name=small"], out=tmp_path / "other")
    assert {name: arm["mean"] for name, arm in resolved.arms.items()} == {
        name: arm["mean"] for name, arm in values["arms"].items()
    }

    model = RoutedModel.load(result.folder / "models" / "routed" / "seed-1")
    found = model.predict(load(task).test, llm=LLM(scripted.Scripted(oracle)))
    rows = read_jsonl(result.folder / "predictions" / "routed" / "seed-1.jsonl")
    assert list(found.predicted) == [row["predicted"] for row in rows]


def test_rows_without_an_answer_have_the_named_arms_prediction_or_stop_the_run(task, tiny_encoder, answering, tmp_path):
    oracle = Oracle(silent_at="boring")
    llm = answering(oracle)
    arms = {"human only": {}, "asked": {"ask": {"form": "classify"}}}
    with pytest.raises(DataError) as raised:
        run(wanted(task, tiny_encoder, llm, arms), out=tmp_path)
    assert str(raised.value) == (
        "arm 'asked': 2 of 40 test rows have no answer (2 not a label), and every one needs a prediction.\n"
        "  Name a trained arm whose prediction stands for them: fallback: ARM. What was paid for is kept."
    )
    paid = oracle.calls
    arms["asked"]["ask"]["fallback"] = "human only"
    result = run(wanted(task, tiny_encoder, llm, arms), out=tmp_path)
    assert oracle.calls == paid
    assert recomputed(result.folder) == []
    own = {row["id"]: row for row in read_jsonl(result.folder / "predictions" / "human only" / "seed-1.jsonl")}
    rows = read_jsonl(result.folder / "predictions" / "asked" / "seed-1.jsonl")
    stand_in = [row for row in rows if row["status"] == "classifier"]
    assert len(stand_in) == 2
    assert all(row["probabilities"] == own[row["id"]]["probabilities"] for row in stand_in)
    assert all(row["replies"] == ["I would rather not say."] * 2 for row in stand_in)
    warning = "asked: the language model gave no answer to 2 of 40 rows it was asked about; they have the "
    assert f"{warning}classifier's prediction." in result.details["warnings"]
    assert result.details["arms"]["asked"]["asking"][0]["unanswered"] == 2


def test_route_takes_validation_rows_where_there_are_some(task, tiny_encoder, answering, tmp_path):
    oracle, events = Oracle(), []
    arms = {"human only": {}, "routed": {"route": {"classifier": "human only", "ask": {"form": "label"}}}}
    data = {"source": str(task), "validation": "8/class of test", "test": "12/class of test"}
    source = wanted(task, tiny_encoder, answering(oracle), arms, data=data, seeds=[0])
    result = run(source, out=tmp_path, listen=events.append)
    assert not [e for e in events if e.get("stage") == "unseen"]
    routing = result.details["arms"]["routed"]["routing"]
    assert routing["curve"]["rows"] == 16
    assert oracle.calls == 16 + round(24 * routing["share"])
    again = wanted(task, tiny_encoder, answering(oracle), arms, data=data, seeds=[0])
    again["arms"]["routed"]["route"]["threshold"] = 2
    assert run(again, out=tmp_path).arms["routed"]["mean"]["accuracy"] == 1.0


def test_evidence_of_another_classifier_is_refused(task, tiny_encoder, answering, tmp_path):
    source = wanted(task, tiny_encoder, answering(Oracle()), seeds=[0])
    result = run(source, out=tmp_path / "one")
    folder = tmp_path / "one" / "small"
    stamp = next(
        path for path in (folder / "stages").glob("predict-*/stamp.json") if "model" in read_json(path)["notes"]
    )
    value = read_json(stamp)
    value["notes"]["model"] = "another"
    stamp.write_text(json.dumps(value))
    for old in (folder / "stages").glob("ask-*"):
        shutil.rmtree(old)
    with pytest.raises(
        DataError, match=r"the predictions were made by model another .*\n  Another classifier was wired in"
    ):
        run(source, out=tmp_path / "one")
    assert result.arms


def test_wrong_arms_are_told_all_at_once(task, tiny_encoder, tmp_path):
    arms = {
        "human only": {},
        "model": {"generate": {"kind": "eda"}},
        "both": {"ask": {}, "route": {"classifier": "human only"}, "train": {"steps": 3}},
        "misspelt": {"aks": {}},
        "nobody": {"ask": {"evidence": {"classifier": "human onyl"}, "fallback": "nobody"}},
        "no route": {"route": {"ask": {"form": "clasify"}}},
        "unshown": {"ask": {"form": "classify", "evidence": {"similar": 2}}},
        "untold": {"ask": {"form": "label"}},
        "left out": {"ask": {"unanswered": "exclude"}},
        "generated": {"route": {"classifier": "model", "least": 0.9, "threshold": 0.5, "combine": "pool"}},
        "generated too": {"route": {"classifier": "model"}},
        "text": {"ask": "classify"},
    }
    with pytest.raises(SettingsError) as raised:
        run(wanted(task, tiny_encoder, None, arms), out=tmp_path)
    assert set(raised.value.problems) == {
        "arms.both.route: the arm has ask already; make it an arm of its own",
        "arms.both.train: an arm with ask trains no classifier; give the key to another arm",
        "arms.misspelt.aks: unknown key; did you mean 'ask'?",
        "arms.nobody.ask.evidence.classifier: 'human onyl' is no arm; did you mean 'human only'?",
        "arms.nobody.ask.fallback: the arm itself is no arm that trains a classifier; known: human only, model, misspelt",
        "arms.no route.route.classifier: missing; it has to be given",
        "arms.no route.route.ask.form: no prompt form is called 'clasify'; did you mean 'classify'?",
        "arms.unshown.ask.evidence.similar: the form 'classify' shows no examples",
        "arms.untold.ask.form: 'label' shows a classifier's opinion; name its arm as evidence.classifier",
        "arms.left out.ask.unanswered: every test row needs a prediction; name the arm that has it as fallback",
        "arms.generated.route.threshold: is given, so least would have no effect; leave out one of them",
        "arms.generated too.route: the arm 'model' trains on generated rows too, so it cannot be repeated out of fold "
        "on the human rows; set data.validation",
        "arms.text.ask: expected a mapping such as {form: classify}, got 'classify'",
        "llm: missing; ask, route needs a language model, e.g. {model: openai/gpt-4.1-mini}",
    }
    assert list(tmp_path.iterdir()) == []


def test_check_shows_the_arms_and_what_they_ask(task, tiny_encoder, answering):
    oracle = Oracle()
    found = check(wanted(task, tiny_encoder, answering(oracle)))
    assert oracle.calls == 0
    assert {name: (e.calls, e.calls_at_most) for name, e in found.asking.items()} == {
        "asked": (40, 40),
        "told": (80, 80),
        "routed": (52, 72),
    }
    assert found.usd > 0
    assert found.trainings == 12
    tree = plan_text(found)
    assert "├── routed\n" in tree or "└── routed\n" in tree
    assert "most_share: 0.5" in tree
    assert "about 40 requests" in estimate_text(found)


def test_a_model_fine_tuned_here_stands_in_the_same_table(task, tiny_encoder, tmp_path):
    pytest.importorskip("peft")
    texts = [row["text"] for row in read_jsonl(task / "train.jsonl")]
    base = tiny_causal.build(tmp_path / "base", texts, context=300, vocabulary=300)
    (tmp_path / "short.jinja2").write_text("---\nid: short\nversion: 1\nlanguage: en\n---\n{{ text }} {{ decision }}\n")
    tune = {
        "model": f"local/{base}", "form": "short.jinja2", "epochs": 1, "evidence": {"classifier": "human only"},
        "lora": {"rank": 2, "device": "cpu"},
    }  # fmt: skip
    source = wanted(task, tiny_encoder, None, {"human only": {}, "tuned": {"finetune": tune}})
    del source["llm"]
    file = tmp_path / "small.yaml"
    file.write_text(dump(source))
    checked = check(file)
    assert checked.tuning["tuned"].usd == 0
    assert "2 fine-tunings of " in estimate_text(checked)
    result = run(file, out=tmp_path / "runs")
    assert recomputed(result.folder) == []
    tuned, own = result.arms["tuned"], result.arms["human only"]
    assert tuned["rows"] == {"human": 32, "synthetic": 0}
    assert tuned["cost"]["usd"] == 0.0
    assert tuned["train_seconds"] > own["train_seconds"]
    assert result.details["arms"]["tuned"]["model"].startswith("base, fine-tuned · ")
    assert len(list((result.folder / "tuning").iterdir())) == 2
    report(result.folder)
    events = []
    run(file, out=tmp_path / "runs", listen=events.append)
    assert {e["event"] for e in events if e["event"].startswith("stage-")} == {"stage-skipped"}


def test_a_provider_fine_tunes_once_for_all_seeds_and_a_cut_off_run_carries_on(
    task, tiny_encoder, httpserver, tmp_path
):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    vendor = Vendor(httpserver)
    tune = {
        "model": "base-model", "base_url": vendor.base_url, "seed": 7, "epochs": 2, "poll_s": 0,
        "usd_per_million_tokens": 3.0,
    }  # fmt: skip
    source = wanted(task, tiny_encoder, None, {"human only": {}, "tuned": {"finetune": tune}})
    del source["llm"]
    vendor.refuse = {"GET /fine_tuning/jobs/": [answer({"error": {"message": "wrong key"}}, 401)]}
    with pytest.raises(ProviderError) as raised:
        run(source, out=tmp_path)
    assert "run again to look again, remove that folder to start anew" in str(raised.value)
    result = run(source, out=tmp_path)
    assert vendor.calls.count("POST /fine_tuning/jobs") == vendor.calls.count("POST /files") == 1
    assert recomputed(result.folder) == []
    tuned = result.arms["tuned"]
    assert tuned["mean"]["accuracy"] == 0.5
    assert tuned["cost"]["calls"] == 40
    costs = result.details["arms"]["tuned"]["costs"]
    assert costs["predicting"]["calls"] == 40
    before = len(vendor.calls)
    tune |= {"poll_s": 1, "usd_per_million_tokens": 4.0}
    run(source, out=tmp_path)
    assert len(vendor.calls) == before


def test_a_tuned_model_is_asked_within_the_budget_and_at_its_own_price(
    task, tiny_encoder, answering, httpserver, tmp_path
):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    vendor = Vendor(httpserver)
    tune = {"model": "base-model", "base_url": vendor.base_url, "seed": 7, "epochs": 2, "poll_s": 0}
    tune["usd_per_million_tokens"] = 3.0
    arms = {"human only": {}, "tuned": {"finetune": tune}}
    llm = {**answering(Oracle()), "budget": "1 USD", "max_in_flight": 1}
    nameless = {**arms, "nameless": {"finetune": {"model": "openai/"}}}
    with pytest.raises(SettingsError) as raised:
        run(wanted(task, tiny_encoder, llm, nameless), out=tmp_path)
    assert raised.value.problems[1] == (
        "arms.nameless.finetune.model: expected PROVIDER/MODEL, e.g. openai/gpt-4.1-mini, got 'openai/'"
    )
    with pytest.raises(SettingsError) as raised:
        run(wanted(task, tiny_encoder, llm, arms), out=tmp_path)
    assert raised.value.problems == (
        "arms.tuned.finetune.price: missing; it is not known what asking base-model costs once it is tuned, so "
        "llm.budget, 1 USD, cannot be held; give {input: ..., output: ...} in $/million tokens, or a budget in calls "
        "or tokens",
    )
    assert vendor.calls == []
    tune["price"] = {"input": 1000.0, "output": 1000.0}
    with pytest.raises(BudgetError):
        run(wanted(task, tiny_encoder, llm, arms), out=tmp_path)
    llm["budget"] = "100 USD"
    result = run(wanted(task, tiny_encoder, llm, arms), out=tmp_path)
    assert vendor.calls.count("POST /fine_tuning/jobs") == 1
    asked = vendor.calls.count("POST /chat/completions")
    costs = result.details["arms"]["tuned"]["costs"]
    assert costs["predicting"]["calls"] == asked
    tokens = costs["predicting"]["tokens_in"] + costs["predicting"]["tokens_out"]
    assert costs["predicting"]["usd"] == pytest.approx(tokens / 1000)
    assert result.arms["tuned"]["cost"]["usd"] == pytest.approx(costs["once"]["usd"] + costs["predicting"]["usd"])


def test_what_a_fine_tuning_cost_is_told_where_the_calls_have_no_price(task, tiny_encoder, httpserver, tmp_path):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    vendor = Vendor(httpserver)
    tune = {"model": "base-model", "base_url": vendor.base_url, "seed": 7, "epochs": 2, "poll_s": 0}
    source = wanted(task, tiny_encoder, None, {"human only": {}, "tuned": {"finetune": tune}})
    tune["usd_per_million_tokens"] = 3.0
    del source["llm"]
    costs = run(source, out=tmp_path).details["arms"]["tuned"]["costs"]
    assert costs["predicting"]["usd"] is None
    assert costs["once"]["usd"] > 0
