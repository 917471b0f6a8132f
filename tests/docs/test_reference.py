"""The reference leaves nothing out: every catalog row and its keys, every key of the file, command, price and name."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from importlib import resources

import pytest
import typer.main

import augtune
from augtune.cli import catalogs
from augtune.cli.main import app
from augtune.core.settings import Settings
from doc_blocks import ROOT


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The generated pages, by name."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    folder = tmp_path_factory.mktemp("generated")
    generate.write(folder)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}


def section(page: str, title: str) -> str:
    """Return what stands under a heading of the second rank."""
    return page.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize("sort", catalogs.SORTS)
def test_every_row_of_a_catalog_has_its_keys(reference, sort):
    for name in catalogs.rows_of(sort):
        settings = catalogs.settings_of(sort, name)
        own = section(reference[sort], name)
        for key in () if settings is None else settings.model_fields:
            assert f"| `{key}` |" in own, f"{sort}, {name}: {key}"


def test_every_settings_class_that_a_file_can_hold_has_its_keys(reference):
    of_no_file = {"Scripted", "OpenAI", "Replay", "Local", "ClassF1"}  # named by llm.model; made by compare --by-label
    places = [page for name, page in reference.items() if name != "python"]
    for one in every(Settings):
        if one.__module__.startswith("augtune.") and one.__name__ not in of_no_file:
            keys = list(one.model_fields)
            assert not keys or any(
                all(f"| `{key}` |" in part for key in keys) for page in places for part in page.split("\n## ")
            ), one


def every(base: type) -> list[type]:
    return [one for each in base.__subclasses__() for one in (each, *every(each))]


def test_arms_have_every_key_that_is_read(reference):
    from augtune.experiment.arms import ARM_KEYS
    from augtune.experiment.axes import AXES
    from augtune.experiment.kinds import KINDS

    arm = section(reference["settings"], "arms.ARM")
    assert {line.split("`")[1] for line in arm.splitlines() if line.startswith("| `")} == {*ARM_KEYS, *KINDS}
    assert all(f"`{key}`" in section(reference["settings"], "The file") for key in AXES)


def test_every_command_has_its_arguments_and_options(reference):
    for name, command in typer.main.get_command(app).commands.items():
        own = section(reference["commands"], f"augtune {name}")
        for parameter in command.params:
            shown = parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar
            assert f"`{shown}".replace("|", "\\|") in own, f"{name}: {shown}"


def test_every_price_and_public_name_is_there(reference):
    table = tomllib.loads((resources.files("augtune.llm") / "prices.toml").read_text(encoding="utf-8"))
    assert all(f"| `{model}` |" in reference["prices"] for model in table)
    for name in augtune.__all__:
        if name != "__version__":
            assert f":: augtune.{name}\n" in reference["python"] or f":: augtune.{name}(" in reference["python"], name


def test_command_line_page_names_every_command():
    page = (ROOT / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    for name in typer.main.get_command(app).commands:
        assert f"`{name}`" in page, name


def test_files_that_the_page_of_papers_names_are_there():
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    named = re.findall(r"`([\w/]+(?:\.py|/\w+))`", page)
    assert len(named) > 50
    for path in named:
        assert (ROOT / path).exists() or (ROOT / "src" / "augtune" / path).is_file(), path
