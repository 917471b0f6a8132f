"""Settings, catalogs, seeds, fingerprints, files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import pytest
from pydantic import Field, field_validator, model_validator

from augtune.core.catalog import Catalog, Row
from augtune.core.errors import DataError, ExtraError, SettingsError
from augtune.core.extras import need
from augtune.core.files import append_jsonl, read_jsonl, read_text
from augtune.core.fingerprint import fingerprint
from augtune.core.seeds import derive, generator
from augtune.core.settings import Settings, describe_type


class Maker(Settings):
    kind: ClassVar[str] = "maker"
    per_class: int = 10
    """Rows per class."""
    choose: Literal["uniform", "balanced"] = "uniform"


MAKERS: Catalog[Maker] = Catalog("maker", {"maker": Row("tests_settings_home:Maker", "Makes.")})


@pytest.fixture(autouse=True)
def _home(monkeypatch):
    import sys
    import types

    module = types.ModuleType("tests_settings_home")
    module.Maker = Maker
    monkeypatch.setitem(sys.modules, "tests_settings_home", module)


def test_settings_tell_every_problem_at_once():
    with pytest.raises(SettingsError) as raised:
        Maker.parse({"per_clas": 3, "per_class": "many", "choose": "best"}, where="generate")
    assert raised.value.problems == (
        "generate.per_class: should be a valid integer, unable to parse string as an integer, got 'many'",
        "generate.choose: should be 'uniform' or 'balanced', got 'best'",
        "generate.per_clas: unknown key; did you mean 'per_class'?",
    )


def test_settings_made_in_python_tell_the_same():
    with pytest.raises(SettingsError, match=r"^Maker\.per_clas: unknown key; did you mean 'per_class'\?$"):
        Maker(per_clas=3)


class Inner(Settings):
    text: str = "text"


class Outer(Settings):
    inner: Inner = Inner()
    maker: Maker = Maker()

    @field_validator("maker", mode="before")
    @classmethod
    def _parse(cls, value):
        return MAKERS.parse(value, where="maker")

    @model_validator(mode="after")
    def _agree(self):
        if self.inner.text == "wrong":
            raise SettingsError("inner and maker: contradict each other")
        return self


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"inner": {"txt": 1}}, "data.inner.txt: unknown key; did you mean 'text'?"),
        ({"inner": {"text": 1}}, "data.inner.text: should be a valid string, got 1"),
        ({"maker": "makre"}, "data.maker.kind: no maker is called 'makre'; did you mean 'maker'?"),
        ({"maker": {"kind": "maker", "per_clas": 1}}, "data.maker.per_clas: unknown key; did you mean 'per_class'?"),
        ({"inner": {"text": "wrong"}}, "data.inner and maker: contradict each other"),
    ],
)
def test_settings_inside_settings_tell_the_whole_place(fields, problem):
    with pytest.raises(SettingsError) as raised:
        Outer.parse(fields, where="data")
    assert raised.value.problems == (problem,)


def test_settings_document_their_fields_and_show_their_kind():
    assert Maker.model_fields["per_class"].description == "Rows per class."
    assert Maker(per_class=3).to_json() == {"kind": "maker", "per_class": 3, "choose": "uniform"}


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        (int, "int"),
        (int | None, "int | null"),
        (Literal["a", "b"], "'a' | 'b'"),
        (Annotated[float, Field(gt=0)] | Literal["auto"] | None, "float | 'auto' | null"),
        (dict[str, int] | list[str], "dict[str, int] | list[str]"),
        (tuple[Path, ...], "tuple[Path]"),
    ],
)
def test_types_read_as_a_user_writes_them(annotation, text):
    assert describe_type(annotation) == text


def test_catalog_takes_names_mappings_and_objects():
    assert MAKERS.parse("maker", where="x") == Maker()
    assert MAKERS.parse({"kind": "maker", "per_class": 2}, where="x") == Maker(per_class=2)
    made = Maker(per_class=5)
    assert MAKERS.parse(made, where="x") is made


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("makre", "generate.kind: no maker is called 'makre'; did you mean 'maker'?"),
        ({"per_class": 2}, "generate.kind: missing; one of: maker"),
        (3, "generate: expected a maker's name or a mapping with 'kind', got 3"),
    ],
)
def test_catalog_names_what_it_does_not_know(value, message):
    with pytest.raises(SettingsError) as raised:
        MAKERS.parse(value, where="generate")
    assert str(raised.value) == message


def test_seeds_name_streams_and_take_zero():
    assert derive(0, "a") != derive(0, "b")
    assert derive(0, "a") != derive(1, "a")
    assert generator(0, "a").integers(1 << 40) == generator(0, "a").integers(1 << 40)
    assert derive(0, "sample") == 1444796784199743730


def test_fingerprint_is_of_content_not_of_key_order():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint(float("nan"))


def test_read_text_names_the_line_of_a_wrong_byte(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes("text\ncaf\xe9\n".encode("latin-1"))
    with pytest.raises(DataError) as raised:
        read_text(path)
    assert raised.value.message == f"{path}: line 2: not UTF-8 (byte 0xe9 at offset 8)."


def test_read_jsonl_names_the_line_and_may_forgive_a_cut_tail(tmp_path):
    path = tmp_path / "x.jsonl"
    append_jsonl(path, {"a": "é"})
    with path.open("a") as stream:
        stream.write('{"a": ')
    with pytest.raises(DataError, match=r"x\.jsonl: line 2: not JSON"):
        read_jsonl(path)
    assert read_jsonl(path, lenient_tail=True) == [{"a": "é"}]


def test_need_names_the_extra_to_install():
    with pytest.raises(ExtraError) as raised:
        need("no_such_module_at_all", extra="report", to="draw the report")
    assert str(raised.value) == (
        "'no_such_module_at_all' is needed to draw the report and is not installed.\n  pip install 'augtune[report]'"
    )
