import json

import numpy as np
import pytest
from werkzeug import Response

from augtune.collaboration.evidence import Evidence
from augtune.collaboration.tune.data import OutOfFold, out_of_fold
from augtune.collaboration.tune.finetune import FineTune, finetune
from augtune.collaboration.tune.settings import TuneSettings
from augtune.core.dataset import HumanDataset
from augtune.core.errors import DataError, InputError, ProviderError, SettingsError
from augtune.core.files import read_jsonl
from augtune.core.labels import Labels
from augtune.core.tables import Predictions


def test_finetune_goes_from_rows_to_a_model_that_answers(vendor, rows, settings, test, tmp_path):
    made = finetune(rows, tmp_path, settings=settings, validation=test)
    assert repr(made.state) == "succeeded · ftjob-1 · ft:base:me"
    assert made.state.trained_tokens == 1234
    assert [event["message"] for event in made.state.events] == ["step 1", "step 2"]
    assert made.state.checkpoints == ({"id": "c1", "step": 4, "model": "ft:base:ckpt-step-4"},)
    body = vendor.jobs["ftjob-1"]
    assert (body["model"], body["training_file"], body["validation_file"]) == ("base-model", "file-1", "file-2")
    assert body["method"]["supervised"]["hyperparameters"] == {"n_epochs": 2}
    assert body["metadata"] == {"augtune": made.name}
    found = made.predict(test, constrain=False, logprobs=None)
    assert set(found.predicted) == {"positive"}
    assert {asked["model"] for asked in vendor.answers} == {"ft:base:me"}


def test_model_is_asked_with_the_very_turns_it_was_tuned_with(vendor, rows, settings, tmp_path):
    chosen = settings.model_copy(update={"form": "minimal", "text_type": "film review"})
    made = finetune(rows, tmp_path, settings=chosen)
    made.predict(rows[:1].human(), constrain=False, logprobs=None)
    line = json.loads(vendor.files["file-1"].decode().split("\n")[0])
    assert vendor.answers[0]["messages"] == line["messages"][:-1]
    assert line["messages"][-1] == {"role": "assistant", "content": rows.label_names[0]}


def test_price_is_known_before_anything_is_sent(vendor, rows, settings, tmp_path, tiny_encoder):
    made = FineTune.prepare(rows, tmp_path / "a", settings=settings)
    assert made.check().total == made.price().tokens
    assert made.price().usd == pytest.approx(made.price().tokens * 2 * 3.0 / 1e6)
    assert made.price().counted_by == "estimate"
    assert vendor.calls == []
    exact = settings.model_copy(update={"tokenizer": tiny_encoder})
    count = FineTune.prepare(rows, tmp_path / "b", settings=exact).check()
    assert count.is_exact
    known = TuneSettings(model="openai/gpt-4.1-mini-2025-04-14")
    listed = FineTune.prepare(rows, tmp_path / "c", settings=known).price()
    assert listed.usd == pytest.approx(listed.tokens * 3 * 5.0 / 1e6)
    unknown = TuneSettings(model="openai/gpt-9")
    assert "price unknown" in repr(FineTune.prepare(rows, tmp_path / "d", settings=unknown).price())


def test_job_survives_a_restart_and_nothing_is_sent_twice(vendor, rows, settings, tmp_path):
    vendor.script = ["queued", "running", "succeeded"]
    FineTune.prepare(rows, tmp_path, settings=settings).submit()
    FineTune.open(tmp_path).poll()
    again = finetune(rows, tmp_path, settings=settings)
    assert again.state.status == "succeeded"
    assert [call for call in vendor.calls if call.startswith("POST")] == ["POST /files", "POST /fine_tuning/jobs"]
    finetune(rows, tmp_path, settings=settings)
    assert len(vendor.jobs) == 1


def test_job_whose_creation_was_not_heard_of_is_found_by_its_name(vendor, rows, settings, tmp_path):
    vendor.refuse["POST /fine_tuning/jobs"] = [Response("", 299)]
    made = FineTune.prepare(rows, tmp_path, settings=settings)
    with pytest.raises(ProviderError):
        made.submit()
    assert len(vendor.jobs) == 1
    assert FineTune.open(tmp_path).submit().job == "ftjob-1"
    assert len(vendor.jobs) == 1


def test_upload_that_failed_is_tried_again_the_next_time(vendor, rows, settings, test, tmp_path):
    made = FineTune.prepare(rows, tmp_path, settings=settings, validation=test)
    vendor.refuse["POST /fine_tuning/jobs"] = [Response("", 503)]
    with pytest.raises(ProviderError):
        made.submit()
    FineTune.open(tmp_path).submit()
    assert list(vendor.files) == ["file-1", "file-2"]


def test_failed_job_says_why(vendor, rows, settings, tmp_path):
    vendor.script, vendor.error = ["failed"], {"code": "bad", "message": "the file has too few examples"}
    with pytest.raises(ProviderError, match=r"^base-model: the fine-tuning failed: the file has too few examples\."):
        finetune(rows, tmp_path, settings=settings)
    with pytest.raises(InputError, match=r"there is no tuned model; the fine-tuning is failed: the file has too few"):
        FineTune.open(tmp_path).llm()


@pytest.mark.parametrize("gone", [True, False])
def test_expired_job_is_told_apart_from_one_under_way(vendor, rows, settings, tmp_path, gone):
    made = FineTune.prepare(rows, tmp_path, settings=settings)
    made.submit()
    if gone:
        vendor.jobs.clear()
    else:
        vendor.script = ["expired"]
    state = made.wait(sleep=lambda seconds: None)
    assert state.status == "expired"
    assert state.problem == (
        "the provider no longer knows the job ftjob-1: it has expired"
        if gone
        else "the provider says only that it expired"
    )
    with pytest.raises(InputError, match="the fine-tuning is expired"):
        made.predict(rows)


def test_cancelled_job_stays_cancelled(vendor, rows, settings, tmp_path):
    vendor.script = ["running"]
    made = FineTune.prepare(rows, tmp_path, settings=settings)
    made.submit()
    assert made.cancel().status == "cancelled"
    assert FineTune.open(tmp_path).poll().status == "cancelled"
    with pytest.raises(ProviderError, match=r"^base-model: the fine-tuning cancelled: no reason was given\."):
        finetune(rows, tmp_path, settings=settings)
    early = FineTune.prepare(rows, tmp_path / "early", settings=settings)
    assert early.cancel().status == "cancelled"


def test_waiting_outlasts_a_provider_that_is_away_for_a_while(vendor, rows, settings, tmp_path):
    made = FineTune.prepare(rows, tmp_path, settings=settings)
    with pytest.raises(InputError, match="nothing was submitted, so there is nothing to wait for"):
        made.wait()
    made.submit()
    vendor.refuse["GET /fine_tuning/jobs/"] = [Response("", 503) for _ in range(3)]
    waited, seen = [], []
    assert made.wait(sleep=waited.append, on_state=lambda state: seen.append(state.status)).status == "succeeded"
    assert len(waited) == len(seen) - 1 == 4
    vendor.script, vendor.refuse["GET /fine_tuning/jobs/"] = ["running"], [Response("", 401)]
    other = FineTune.prepare(rows, tmp_path / "b", settings=settings)
    other.submit()
    with pytest.raises(ProviderError, match="HTTP 401"):
        other.wait(sleep=lambda seconds: None)


def test_data_that_cannot_be_sent_is_told_whole(vendor, rows, settings, tmp_path):
    tight = settings.model_copy(update={"most_bytes": 100, "most_tokens": 5, "least_rows": 50})
    labels = Labels((*rows.labels, "mixed"))
    wider = HumanDataset(rows.table, labels, name="train")
    made = FineTune.prepare(wider, tmp_path, settings=tight)
    with pytest.raises(SettingsError) as caught:
        made.submit()
    assert [line.split(",")[0] for line in caught.value.problems] == [
        "finetune: expected 50 training rows or more",
        f"finetune: train.jsonl has {made.files['train'].stat().st_size:,} bytes".split(",")[0],
        "finetune: 12 rows have more than 5 tokens",
        "finetune: no row has the label 'mixed'",
    ]
    assert vendor.calls == []


def test_provider_without_fine_tuning_is_refused(vendor, rows, settings, tmp_path):
    with pytest.raises(InputError, match=r"^finetune.model: anthropic offers no fine-tuning jobs at its address\."):
        finetune(rows, tmp_path / "a", settings=TuneSettings(model="anthropic/claude"))
    vendor.refuse["POST /files"] = [Response("", 404)]
    with pytest.raises(
        InputError, match=r"has no fine-tuning jobs \(HTTP 404 when asked to upload the training file\)"
    ):
        finetune(rows, tmp_path / "b", settings=settings)
    vendor.refuse["POST /files"] = [Response("", 413)]
    with pytest.raises(
        InputError, match=r"^finetune: the provider refuses the training file for its size \(HTTP 413\)"
    ):
        finetune(rows, tmp_path / "c", settings=settings)


def test_folder_of_another_fine_tuning_is_left_alone(vendor, rows, settings, tmp_path):
    FineTune.prepare(rows, tmp_path, settings=settings)
    FineTune.prepare(rows, tmp_path, settings=settings.model_copy(update={"poll_s": 9.0}))
    with pytest.raises(InputError, match="holds a fine-tuning of other data or settings"):
        FineTune.prepare(rows, tmp_path, settings=settings.model_copy(update={"epochs": 5}))
    with pytest.raises(InputError, match="holds no fine-tuning"):
        FineTune.open(tmp_path / "none")


@pytest.mark.parametrize("name", ["train.jsonl", "model", "state.json"])
def test_files_of_the_user_are_not_overwritten(name, vendor, rows, settings, tmp_path):
    own = tmp_path / name
    own.mkdir() if name == "model" else own.write_text('{"text": "precious"}\n', encoding="utf-8")
    with pytest.raises(InputError, match=rf"holds {name} of something else; a fine-tuning would overwrite them"):
        FineTune.prepare(rows, tmp_path, settings=settings)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert name == "model" or own.read_text(encoding="utf-8") == '{"text": "precious"}\n'


def test_data_that_was_written_before_a_cut_is_no_obstacle(vendor, rows, settings, tmp_path):
    FineTune.prepare(rows, tmp_path, settings=settings)
    made = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "finetune.json").unlink()
    FineTune.prepare(rows, tmp_path, settings=settings)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == made


def test_classifiers_predictions_have_to_be_out_of_fold(vendor, rows, settings, tmp_path):
    table = np.tile([0.6, 0.4], (len(rows), 1))
    seen = Predictions(rows.ids, table, rows.labels, "small")
    with pytest.raises(DataError, match=r"^finetune: the predictions of small are not out of fold"):
        FineTune.prepare(rows, tmp_path, settings=settings, evidence=Evidence(predictions=seen))
    unseen = OutOfFold(rows.ids, table, rows.labels, "small", folds=3)
    made = FineTune.prepare(rows, tmp_path, settings=settings, evidence=Evidence(predictions=unseen))
    assert made.form.name == "label_probabilities"
    assert "- negative: 60.00%" in read_jsonl(made.files["train"])[0]["messages"][0]["content"]


def test_examples_in_training_prompts_never_show_the_row_itself(vendor, rows, settings, tmp_path):
    evidence = Evidence(similar=3, pool=rows, leave_one_out=True, choose="random")
    made = FineTune.prepare(rows, tmp_path, settings=settings, evidence=evidence)
    for row, record in zip(rows, read_jsonl(made.files["train"]), strict=True):
        assert (
            f": {row.text}\n- " not in record["messages"][0]["content"].partition("Examples:")[2].partition("Text:")[0]
        )


def test_out_of_fold_predictions_come_from_classifiers_that_did_not_see_the_row(rows, tiny_encoder):
    found = out_of_fold(rows, folds=3, encoder=tiny_encoder, steps=1, batch_size=4)
    assert found.ids == rows.ids
    assert (found.folds, len(found.model)) == (3, 12)
    assert found.made_by.endswith("out of 3 folds")
    again = out_of_fold(rows, folds=3, encoder=tiny_encoder, steps=1, batch_size=4)
    assert again.probabilities.tolist() == found.probabilities.tolist()
    with pytest.raises(DataError, match=r"^train: expected 2 folds or more and a row for each, got 1 and 12 rows\.$"):
        out_of_fold(rows, folds=1)


def test_state_of_an_unknown_status_is_refused(vendor, rows, settings, tmp_path):
    vendor.script = ["dreaming"]
    made = FineTune.prepare(rows, tmp_path, settings=settings)
    made.submit()
    with pytest.raises(ProviderError, match=r"the job's status is 'dreaming', which is none known here\."):
        made.poll()
    assert made.state.status == "queued"
