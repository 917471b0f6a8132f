"""LoRA of a tiny causal model made on the spot."""

import pytest

import tiny_causal
from augtune.collaboration.ask import ask
from augtune.collaboration.tune.finetune import FineTune, finetune
from augtune.collaboration.tune.local import LocalTuner
from augtune.collaboration.tune.settings import LoraSettings, TuneSettings
from augtune.core.errors import InputError, StorageError
from augtune.core.files import read_jsonl
from augtune.data.load import load
from augtune.llm.client import LLM

pytest.importorskip("peft")
EPOCHS = 12
LORA = LoraSettings(rank=16, dropout=0.0, whole=("lm_head", "embed_tokens"), device="cpu")


@pytest.fixture(scope="module")
def helpdesk():
    return load("examples/helpdesk", text="message", label="intent")


@pytest.fixture(scope="module")
def base(tmp_path_factory, helpdesk):
    return tiny_causal.build(
        tmp_path_factory.mktemp("base") / "tiny", [*helpdesk.train.texts], context=300, vocabulary=700
    )


def accuracy(made, rows):
    return sum(a == b for a, b in zip(made.predict(rows).predicted, rows.label_names, strict=True)) / len(rows)


@pytest.fixture
def form(tmp_path):
    """A prompt as short as can be: what a model of two layers can learn from."""
    file = tmp_path / "short.jinja2"
    file.write_text("---\nid: short\nversion: 1\nlanguage: en\n---\n{{ text }}\n")
    return str(file)


def test_local_model_learns_the_helpdesk_intents(base, helpdesk, form, tmp_path):
    settings = TuneSettings(
        model=f"local/{base}", form=form, epochs=EPOCHS, batch_size=16, learning_rate=5e-3, lora=LORA
    )
    made = finetune(helpdesk.train, tmp_path / "tuned", settings=settings)
    assert made.state.status == "succeeded"
    losses = [row["loss"] for row in read_jsonl(tmp_path / "tuned" / "history.jsonl")]
    assert sum(losses[-4:]) < 0.5 * sum(losses[:4])
    assert made.price().usd == 0
    before = ask(helpdesk.test, llm=LLM(f"local/{base}"), form=form).predicted
    chance = sum(a == b for a, b in zip(before, helpdesk.test.label_names, strict=True)) / len(before)
    assert accuracy(made, helpdesk.test) > chance + 0.1
    assert accuracy(made, helpdesk.train) > 0.8
    assert (tmp_path / "tuned" / "adapter" / "adapter_config.json").is_file()
    assert FineTune.open(tmp_path / "tuned").predict(["I was charged twice"]).unanswered == ()


def small(base, form, **fields):
    return TuneSettings(model=f"local/{base}", form=form, epochs=1, lora=LORA, **fields)


def test_training_that_was_cut_off_starts_again(base, helpdesk, form, tmp_path):
    made = FineTune.prepare(helpdesk.train[:40].human(), tmp_path / "t", settings=small(base, form, most_tokens=300))

    def stop(step, of, loss):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        LocalTuner(made.settings, made.folder / "state.json").submit(made.state, made.files, made.name, stop)
    again = FineTune.open(tmp_path / "t")
    assert again.state.status == "running"
    assert again.tuner.submit(again.state, again.files, again.name).status == "succeeded"
    assert FineTune.open(tmp_path / "t").poll().model == str(tmp_path / "t" / "model")


def test_row_the_model_cannot_read_to_its_label_is_refused(base, make_human, form, tmp_path):
    rows = make_human([("a film " * 200, "x"), *[(f"film {i}", "y") for i in range(11)]], "train")
    made = FineTune.prepare(rows, tmp_path / "t", settings=small(base, form))
    with pytest.raises(InputError, match=r"^finetune: 1 rows are longer than the 300 tokens the model reads"):
        made.submit()
    assert FineTune.open(tmp_path / "t").state.status == "failed"


def test_what_is_no_model_is_refused(base, rows, form, tmp_path):
    settings = small(base, form).model_copy(update={"lora": LORA.model_copy(update={"targets": ("nothing",)})})
    with pytest.raises(InputError, match=r"^finetune.lora.targets: "):
        finetune(rows, tmp_path / "t", settings=settings)
    with pytest.raises(InputError, match=r"^finetune.tokenizer: no tokenizer could be loaded from"):
        finetune(rows, tmp_path / "u", settings=TuneSettings(model=f"local/{tmp_path}", form=form))


def test_a_full_disk_is_no_failure_of_the_tuning(base, helpdesk, form, tmp_path, monkeypatch):
    made = FineTune.prepare(helpdesk.train[:40].human(), tmp_path / "t", settings=small(base, form, most_tokens=300))

    def full(*_, **__):
        raise Exception("No space left on device (os error 28)")  # as tokenizers tells it

    with monkeypatch.context() as patched:
        patched.setattr("transformers.PreTrainedTokenizerBase.save_pretrained", full)
        with pytest.raises(StorageError) as raised:
            made.submit()
    assert raised.value.message == f"{tmp_path / 't' / 'model'}: cannot be written: No space left on device"
    again = FineTune.open(tmp_path / "t")
    assert again.state.status == "running"
    assert again.submit().status == "succeeded"
