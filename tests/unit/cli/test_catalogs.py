import pytest

from augtune.cli.catalogs import SORTS
from augtune.cli.main import main


def told(arguments, capsys):
    assert main(arguments) == 0
    return capsys.readouterr().out


def test_ls_names_every_sort(capsys):
    out = told(["ls"], capsys)
    assert all(line.split()[0] in SORTS for line in out.splitlines()[: len(SORTS)])


@pytest.mark.parametrize("sort", SORTS)
def test_ls_tells_names_and_a_line_about_each(sort, capsys):
    for line in told(["ls", sort], capsys).splitlines():
        name, _, summary = line.partition("  ")
        assert name
        assert summary.strip().endswith(".")


@pytest.mark.parametrize(
    "sort", ["generators", "curation", "recipes", "losses", "weightings", "heads", "optimizers", "schedules", "metrics"]
)
def test_ls_shows_settings_of_every_method(sort, capsys):
    names = [line.split()[0] for line in told(["ls", sort], capsys).splitlines()]
    for name in names:
        out = told(["ls", sort, name], capsys)
        assert out.startswith(f"{name}: ")
        assert "default" in out or "has no settings" in out


def test_ls_shows_type_default_and_description(capsys):
    out = told(["ls", "recipe", "two_stage"], capsys)
    assert "stage1_share: float, default 0.5\n    Share of the steps that goes to stage 1" in out


def test_ls_suggests_the_closest_name(capsys):
    assert main(["ls", "losses", "foal"]) == 2
    assert capsys.readouterr().err == "error: losses: nothing is called 'foal'; did you mean 'focal'?\n"
    assert main(["ls", "recipies"]) == 2
    assert capsys.readouterr().err == "error: augtune ls: nothing is called 'recipies'; did you mean 'recipes'?\n"


def test_doctor_names_keys_and_never_shows_them(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    out = told(["doctor"], capsys)
    assert "OPENAI_API_KEY" in out
    assert "sk-secret" not in out
    assert "precision" in out
