"""Datasets of the hub, with local folders in its place: no test touches the network."""

import subprocess
import sys

import pytest

from augtune.core.errors import ExtraError, InputError
from augtune.data import load
from augtune.data.hub import HubName, parse_name

datasets = pytest.importorskip("datasets")

FEATURES = datasets.Features(
    {"sentence": datasets.Value("string"), "label": datasets.ClassLabel(names=["negative", "positive"])}
)


def split(*labels):
    rows = {"sentence": [f"text {i}" for i in range(len(labels))], "label": list(labels)}
    return datasets.Dataset.from_dict(rows, features=FEATURES)


@pytest.fixture
def sst2():
    return datasets.DatasetDict({"train": split(1, 0, 1), "validation": split(0, 1), "test": split(-1, -1)})


@pytest.fixture
def hub(monkeypatch, sst2):
    """The hub as a function that notes what it was asked for."""
    asked = []

    def load_dataset(path, name=None, *, revision=None):
        asked.append((path, name, revision))
        return sst2

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return asked


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("hf:stanfordnlp/sst2", HubName("stanfordnlp/sst2")),
        ("hf:nyu-mll/glue:sst2", HubName("nyu-mll/glue", "sst2")),
        ("hf:nyu-mll/glue:sst2@main", HubName("nyu-mll/glue", "sst2", "main")),
        ("hf:imdb@1a2b", HubName("imdb", None, "1a2b")),
    ],
)
def test_a_hub_name_has_an_owner_a_name_a_configuration_and_a_revision(source, name):
    assert parse_name(source) == name


@pytest.mark.parametrize("source", ["hf:", "hf::x", "hf:a/b@", "hf:a:b:c"])
def test_a_hub_name_of_another_form_is_refused(source):
    with pytest.raises(InputError) as caught:
        load(source)
    assert str(caught.value) == (
        f"{source!r}: expected hf:owner/name, hf:owner/name:config or hf:owner/name:config@revision.\n"
        "  For example hf:stanfordnlp/sst2 or hf:nyu-mll/glue:sst2@main."
    )


def test_a_hub_dataset_brings_its_splits_and_label_order_and_loses_what_is_unlabelled(hub):
    splits = load("hf:nyu-mll/glue:sst2@main")
    assert hub == [("nyu-mll/glue", "sst2", "main")]
    assert list(splits.all()) == ["train", "validation"]
    assert splits.labels.names == ("negative", "positive")
    assert splits.train.label_names == ("positive", "negative", "positive")
    assert splits.train.name == "glue:sst2/train"


def test_a_split_that_is_labelled_in_part_is_refused(hub, sst2):
    sst2["test"] = split(1, -1)
    with pytest.raises(InputError) as caught:
        load("hf:nyu-mll/glue")
    assert str(caught.value) == (
        "hf:nyu-mll/glue/test: row 2: the label is missing (column 'label').\n  Label or remove the row."
    )


def test_a_saved_dataset_is_loaded_from_its_folder(tmp_path, sst2):
    sst2.save_to_disk(tmp_path / "mine")
    assert list(load(tmp_path / "mine").all()) == ["train", "validation"]
    sst2["train"].save_to_disk(tmp_path / "one")
    assert load(tmp_path / "one").train.label_names == ("positive", "negative", "positive")


def test_a_damaged_saved_dataset_is_refused(tmp_path, sst2):
    sst2["train"].save_to_disk(tmp_path / "one")
    (tmp_path / "one" / "state.json").write_text("{}")
    with pytest.raises(InputError, match="one: not a readable saved dataset"):
        load(tmp_path / "one")


def test_a_failing_hub_is_one_clear_message(monkeypatch):
    def load_dataset(*_, **__):
        raise ConnectionError("Couldn't reach 'a/b'\n on the Hub")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    with pytest.raises(InputError) as caught:
        load("hf:a/b")
    assert str(caught.value) == (
        "hf:a/b: could not be loaded from the Hugging Face hub (ConnectionError: Couldn't reach 'a/b' on the Hub).\n"
        "  Check the spelling, the configuration, the network and, for a gated dataset, `hf auth login`; "
        "or download its files and name their folder."
    )


def test_without_the_library_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ExtraError) as caught:
        load("hf:a/b")
    assert str(caught.value) == (
        "'datasets' is needed to load 'hf:a/b' and is not installed.\n  pip install 'augtune[train]'"
    )


def test_importing_and_loading_files_needs_no_heavy_library(tmp_path):
    (tmp_path / "x.csv").write_text("text,label\na,b\nc,d\n")
    code = (
        f"import sys; from augtune.data import load, sample; sample(load({str(tmp_path / 'x.csv')!r}).train, '1/class');"
        "print(sorted({'datasets', 'torch', 'transformers', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout == "[]\n"
