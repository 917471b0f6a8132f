from __future__ import annotations

import json
import multiprocessing
import signal
import time

import pytest
import torch

from augtune.core.errors import StorageError, TrainingError
from augtune.model.fitted import Fitted
from augtune.model.losses import LossSum
from augtune.training import loop, state
from augtune.training.checkpoints import Checkpoint, CheckpointFolder, remove_checkpoints
from augtune.training.running import Running
from augtune.training.state import Saving, flat_optimizer, load_optimizer
from killed_training import train_until, trained

WAYS = {
    "vanilla": {},
    "vanilla, bf16": {"precision": "bf16"},
    "best weights": {"keep": "best", "evaluate_every": 2, "lr": 3e-3},
    "early stopping": {"keep": "best", "evaluate_every": 1, "patience": 9, "schedule": "reduce_on_plateau"},
    "two-stage": {"recipe": "two_stage"},
    "two-stage, both": {"recipe": {"kind": "two_stage", "variant": "both", "top_layers": 0}},
    "imp": {"recipe": "imp"},
    "dimp": {"recipe": "dimp"},
    "hu2019": {"recipe": "hu2019"},
    "hu2019, mixed": {"recipe": "hu2019", "mix": "tmix", "micro_batch_size": 5},
    "sungen": {"recipe": {"kind": "sungen", "iterations": 3}},
    "quality in micro-batches": {"recipe": {"kind": "dimp", "normalise": True}, "micro_batch_size": 3},
    "curriculum": {"recipe": {"kind": "curriculum", "phases": "smooth", "order": "easiest_first"}},
    "stages": {
        "recipe": {
            "kind": "stages",
            "stages": [
                {"rows": "synthetic", "order": "easiest_first", "loss": {"kind": "ldam", "deferred": 0.5}},
                {"rows": "all", "human_share": 0.4, "weights": "imp"},
            ],
        }
    },
    "mix": {"mix": "tmix"},
    "lora": {"lora": {"rank": 2, "dropout": 0.2}, "keep": "best", "evaluate_every": 3},
    "layers computed twice": {"gradient_checkpointing": True, "head": {"kind": "attention", "layers": 1}},
    "lion, deeper slower": {"optimizer": "lion", "schedule": "cosine_restarts", "layer_decay": 0.7, "lr": 1e-4},
    "falling rates": {"layer_decay": 0.9, "schedule": "cosine", "optimizer": "sgd"},
    "micro-batches": {"micro_batch_size": 3},
    "frozen": {"trainable": 1, "steps": 40, "checkpoint_every": 7},
}


class Cut(Exception):
    """What a test ends a training with."""


@pytest.fixture
def settings(tiny_encoder):
    return {
        "encoder": tiny_encoder,
        "steps": 12,
        "batch_size": 8,
        "lr": 1e-3,
        "precision": "fp32",
        "checkpoint_every": 2,
    }


def cut_at(settings, folder, step):
    """Train until a step and let the training end there with an error; return what was told."""
    told = []

    def on_step(at, of, loss):
        if at == step:
            raise Cut

    with pytest.raises(Cut):
        trained(settings, Running(on_step=on_step, on_note=told.append, folder=folder))
    return told


def same(fitted, other):
    assert fitted.fingerprint == other.fingerprint
    assert [dict(row) for row in fitted.history] == [dict(row) for row in other.history]
    assert fitted.kept == other.kept
    assert fitted.notes == other.notes
    if other.weights is not None:
        assert fitted.weights.ids == other.weights.ids
        assert fitted.weights.values.tolist() == other.weights.values.tolist()


@pytest.mark.parametrize("way", WAYS)
def test_a_training_that_was_cut_off_twice_equals_one_that_was_not(settings, tmp_path, way):
    chosen = {**settings, **WAYS[way]}
    whole = trained(chosen)
    steps = chosen["steps"]
    for at in (steps // 3, steps - 2):
        cut_at(chosen, tmp_path, at)
    told = []
    same(trained(chosen, Running(on_note=told.append, folder=tmp_path)), whole)
    last = (steps - 3) // chosen["checkpoint_every"] * chosen["checkpoint_every"]
    assert told[0] == f"carries on after step {last} of {steps}, from its checkpoint"


def test_updates_beside_the_weights_go_through_a_checkpoint(settings, tmp_path):
    pytest.importorskip("peft")
    chosen = {**settings, "lora": {"rank": 2}}
    cut_at(chosen, tmp_path, 7)
    same(trained(chosen, Running(folder=tmp_path)), trained(chosen))


@pytest.fixture(scope="module")
def processes():
    """Processes that start with everything loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["augtune.training.train"])
    return context


@pytest.mark.parametrize("way", ["two-stage", "dimp"])
def test_a_training_killed_in_each_stage_equals_one_that_was_not(settings, tmp_path, processes, way):
    chosen = {**settings, **WAYS[way], "checkpoint_every": 1}

    def run(kill_at):
        process = processes.Process(target=train_until, args=(chosen, tmp_path, kill_at))
        process.start()
        process.join(60)
        return process.exitcode

    assert run(4) == -signal.SIGKILL
    assert run(9) == -signal.SIGKILL
    assert run(None) == 0
    same(Fitted.load(tmp_path / "model"), trained(chosen))
    assert (tmp_path / "told.txt").read_text() == "carries on after step 8 of 12, from its checkpoint"


def test_checkpoints_are_pruned_whole_and_hold_no_pickle(settings, tmp_path):
    cut_at(settings, tmp_path, 9)
    names = sorted(path.name.partition("-")[2] for path in tmp_path.iterdir())
    assert names == [f"step-{step:08d}.{kind}" for step in (6, 8) for kind in ("json", "safetensors")]
    remove_checkpoints(tmp_path)
    assert not tmp_path.exists()
    (tmp_path / "mine").mkdir(parents=True)
    cut_at({**settings, "checkpoints_kept": 1}, tmp_path, 9)
    assert len(list(tmp_path.glob("*.json"))) == 1
    remove_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def _cut_off(path):
    data = path.with_suffix(".safetensors")
    data.write_bytes(data.read_bytes()[:1000])
    return f"{data.name} has 1,000 of "


def _flip(path):
    data = path.with_suffix(".safetensors")
    content = bytearray(data.read_bytes())
    content[-9] ^= 1
    data.write_bytes(content)
    return f"the content of {data.name} is not what was written."


def _no_tensors(path):
    data = path.with_suffix(".safetensors")
    data.unlink()
    return f"{data.name} has 0 of "


def _half_json(path):
    path.write_bytes(path.read_bytes()[:300])
    return f"{path}: line "


def _other_json(path):
    about = json.loads(path.read_text())
    about["values"]["position"]["done"] += 1
    path.write_text(json.dumps(about))
    return "its content is not what was written."


def _other_format(path):
    path.write_text("[]")
    return "expected format 1."


@pytest.mark.parametrize("damage", [_cut_off, _flip, _no_tensors, _half_json, _other_json, _other_format])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before_and_that_is_said(settings, tmp_path, damage):
    cut_at(settings, tmp_path, 9)
    newest = max(tmp_path.glob("*.json"))
    why = damage(newest)
    told = []
    same(trained(settings, Running(on_note=told.append, folder=tmp_path)), trained(settings))
    assert told[0].startswith(f"{newest}: the checkpoint is damaged and is not used: {why}")
    assert told[1:] == ["carries on after step 6 of 12, from its checkpoint"]


def test_training_starts_anew_where_every_checkpoint_is_damaged(settings, tmp_path):
    cut_at(settings, tmp_path, 9)
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(b"")
    told = []
    same(trained(settings, Running(on_note=told.append, folder=tmp_path)), trained(settings))
    assert len(told) == 2
    assert not any("carries on" in sentence for sentence in told)


def test_a_checkpoint_of_another_training_is_not_used_and_the_difference_is_said(settings, tmp_path):
    cut_at(settings, tmp_path, 9)
    newest = max(tmp_path.glob("*.json"))
    other = {**settings, "lr": 2e-3, "recipe": "two_stage", "checkpoint_every": 5}
    told = []
    same(trained(other, Running(on_note=told.append, folder=tmp_path)), trained(other))
    assert told == [
        f"{newest}: a checkpoint of another training (it differs in settings.recipe, settings.lr) is not used; it is "
        "removed when this training is saved."
    ]


def test_how_often_checkpoints_are_written_is_no_other_training(settings, tmp_path):
    cut_at(settings, tmp_path, 9)
    told = []
    trained({**settings, "checkpoint_every": 3, "checkpoints_kept": 1}, Running(on_note=told.append, folder=tmp_path))
    assert told == ["carries on after step 8 of 12, from its checkpoint"]


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(settings, tmp_path, monkeypatch):
    real, calls = loop.loss_sum, []

    def broken(loss, logits, batch):
        calls.append(1)
        return LossSum(real(loss, logits, batch).total * float("nan" if len(calls) == 8 else 1), torch.tensor(8.0))

    monkeypatch.setattr(loop, "loss_sum", broken)
    with pytest.raises(TrainingError) as caught:
        trained(settings, Running(folder=tmp_path))
    assert str(caught.value).startswith(
        "training stopped at step 8 (stage 'train'): the loss is nan; rows of the batch:"
    )
    assert str(caught.value).endswith(f"\n  The checkpoint after step 6 is kept in {tmp_path}.")
    monkeypatch.undo()
    told = []
    same(trained(settings, Running(on_note=told.append, folder=tmp_path)), trained(settings))
    assert told == ["carries on after step 6 of 12, from its checkpoint"]


def test_by_default_short_trainings_write_none_and_long_ones_a_tenth_of_their_steps_apart(settings, tmp_path):
    del settings["checkpoint_every"]
    cut_at(settings, tmp_path / "none", 9)
    assert not (tmp_path / "none").exists()
    now = [0.0]
    written = []

    class Folder:
        def write(self, checkpoint):
            written.append((checkpoint.step, now[0]))
            now[0] += 4.0

    saving = Saving(Folder(), None, 200, clock=lambda: now[0])
    for step in range(1, 201):
        now[0] += 1.0
        if saving.due(step):
            saving.write(Checkpoint(step, {}))
    # Writing takes 4 s, of which no more than a twentieth of the time is spent.
    assert [step for step, _ in written] == [30, 110, 190]


def test_a_disk_that_is_full_leaves_the_checkpoints_before(settings, tmp_path, monkeypatch):
    cut_at(settings, tmp_path, 5)
    before = sorted(path.name for path in tmp_path.iterdir())

    def full(tensors, path):
        path.write_bytes(b"a part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("augtune.training.checkpoints.save_file", full)
    with pytest.raises(StorageError, match=r"step-00000006\.safetensors: cannot be written: No space left on device"):
        trained(settings, Running(folder=tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_parts_left_by_a_process_that_was_killed_while_writing_are_removed(tmp_path):
    (tmp_path / ".abc-step-00000002.json.x1.part").write_text("half")
    folder = CheckpointFolder(tmp_path, {}, keep=1, tell=print)
    assert folder.newest() is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["AdamW", "SGD", "RMSprop", "Adagrad", "NAdam", "Adafactor"])
def test_the_state_of_every_optimizer_goes_through_a_checkpoint(kind, tmp_path):
    def make():
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(4, 3))
        more = {"momentum": 0.9} if kind == "SGD" else {}
        return weight, getattr(torch.optim, kind)([{"params": [weight], "lr": 0.1}], **more)

    def steps(weight, optimizer, count):
        for _ in range(count):
            (weight**2).sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    whole, optimizer = make()
    steps(whole, optimizer, 5)
    first, optimizer = make()
    steps(first, optimizer, 3)
    folder = CheckpointFolder(tmp_path, {}, keep=1, tell=print)
    folder.write(Checkpoint(3, {"optimizer": flat_optimizer(optimizer), "weights": {"w": first}}))
    found = folder.newest().parts
    again, optimizer = make()
    again.data.copy_(found["weights"]["w"])
    load_optimizer(optimizer, found["optimizer"])
    steps(again, optimizer, 2)
    assert torch.equal(again, whole)


def test_an_optimizer_that_keeps_objects_is_refused():
    class Odd(torch.optim.SGD):
        def state_dict(self):
            return {"state": {0: {"graph": object()}}, "param_groups": []}

    with pytest.raises(StorageError) as caught:
        flat_optimizer(Odd([torch.nn.Parameter(torch.zeros(1))], lr=1.0))
    assert str(caught.value) == (
        "the optimizer Odd keeps a object (state.0.graph), which no checkpoint can hold.\n"
        "  Take another train.optimizer, or train without checkpoints."
    )


def test_numbers_without_end_go_through_a_checkpoint(tmp_path):
    folder = CheckpointFolder(tmp_path, {}, keep=1, tell=print)
    parts = {"selection": {"score": float("-inf"), "progress": [float("inf"), 3], "best": torch.ones(2)}}
    folder.write(Checkpoint(1, parts))
    found = folder.newest().parts["selection"]
    assert torch.equal(found.pop("best"), torch.ones(2))
    assert found == {"score": float("-inf"), "progress": [float("inf"), 3]}


def test_seconds_before_the_checkpoint_count(settings, tmp_path, monkeypatch):
    cut_at(settings, tmp_path, 5)
    real = time.monotonic
    monkeypatch.setattr(state.time, "monotonic", real)
    path = max(tmp_path.glob("*.json"))
    before = json.loads(path.read_text())["values"]["position"]["seconds"]
    assert trained(settings, Running(folder=tmp_path)).seconds > before > 0
