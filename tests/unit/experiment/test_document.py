"""The experiment file as text: YAML 1.2, overrides, output."""

from __future__ import annotations

import pytest

from augtune.core.errors import SettingsError
from augtune.experiment.document import dump, override, read, value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [("no", "no"), ("on", "on"), ("1e-3", 1e-3), ("3e-5", 3e-5), ("null", None), ("010", 10), ("[a, 2]", ["a", 2])],
)
def test_value_of_reads_yaml_1_2(text, value):
    assert value_of(text) == value


def test_dump_keeps_order_and_reads_back():
    document = {"name": "x", "arms": {"b": {}, "a": {"generate": None}}, "seeds": [2, 1], "label": "no"}
    text = dump(document)
    assert value_of(text) == document
    assert text.index("arms") < text.index("seeds")


def test_override_sets_nested_keys_and_leaves_the_input_alone():
    document = {"train": {"lr": 1e-5}, "arms": {"v1.5 dimp": {}}}
    changed = override(document, ["train.lr=3e-5", "train.recipe.clamp=5", "arms.v1.5 dimp.train.steps=7", "x=no"])
    assert changed == {
        "train": {"lr": 3e-5, "recipe": {"clamp": 5}},
        "arms": {"v1.5 dimp": {"train": {"steps": 7}}},
        "x": "no",
    }
    assert document == {"train": {"lr": 1e-5}, "arms": {"v1.5 dimp": {}}}


def test_override_of_a_bare_name_keeps_it_as_kind():
    assert override({"train": {"recipe": "dimp"}}, ["train.recipe.clamp=5"]) == {
        "train": {"recipe": {"kind": "dimp", "clamp": 5}}
    }


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("train.lr", "override 'train.lr': expected key=value, e.g. train.lr=3e-5"),
        ("seeds.x=1", "override 'seeds.x=1': 'seeds' holds [0, 1], which has no keys."),
    ],
)
def test_override_refuses_what_it_cannot_do(assignment, message):
    with pytest.raises(SettingsError) as raised:
        override({"seeds": [0, 1]}, [assignment])
    assert str(raised.value) == message


def test_read_names_line_and_column_of_broken_yaml(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("name: x\ndata: {source: a\narms: 3\n")
    with pytest.raises(SettingsError, match=r"x\.yaml: line 3, column 5: not YAML"):
        read(path)


def test_read_refuses_what_is_no_mapping(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("- a\n- b\n")
    with pytest.raises(SettingsError) as raised:
        read(path)
    assert str(raised.value) == f"{path}: expected a mapping with keys such as name, data and arms."
