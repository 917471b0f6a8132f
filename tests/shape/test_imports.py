"""What is loaded when: the front door is light, and every public name leads somewhere."""

import subprocess
import sys
from pathlib import Path

import pytest

import augtune

HEAVY = (
    "torch",
    "transformers",
    "accelerate",
    "datasets",
    "openai",
    "plotly",
    "matplotlib",
    "scipy",
    "sklearn",
    "pandas",
)
QUICK = (*HEAVY, "pyarrow", "pydantic", "numpy")

HELPDESK = Path(__file__).parents[2] / "examples" / "helpdesk" / "helpdesk.yaml"
FOLDERS = ("core", "data", "llm", "embedding", "model", "weighting", "evaluation", "generation", "curation", "training")


def loaded(code, names):
    """Return which of the modules are in memory after a fresh interpreter has run the code."""
    show = f"\nimport sys\nprint(*[name for name in {names!r} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code + show], capture_output=True, text=True, check=True)
    return done.stderr.split()


def test_import_augtune_loads_nothing_heavy():
    assert loaded("import augtune", QUICK) == []


def test_help_loads_nothing_heavy():
    assert loaded("from augtune.cli.main import main\nassert main(['--help']) == 0", QUICK) == []


def test_importing_the_folders_loads_nothing_heavy():
    folders = (*FOLDERS, "collaboration", "reporting", "experiment", "cli")
    assert loaded("".join(f"import augtune.{name}\n" for name in folders), HEAVY) == []


@pytest.mark.parametrize("command", ["ls recipes dimp", "ls losses", "ls generators gpt3mix"])
def test_listing_loads_no_torch(command):
    code = f"from augtune.cli.main import main\nassert main({command.split()!r}) == 0"
    assert loaded(code, ("torch", "transformers", "openai", "plotly")) == []


def test_check_loads_neither_torch_nor_an_sdk():
    code = f"from augtune.experiment.check import check\ncheck('{HELPDESK}')"
    assert loaded(code, ("torch", "transformers", "openai", "plotly")) == []


def test_every_public_name_resolves():
    for name in augtune.__all__:
        assert getattr(augtune, name) is not None, name


def test_public_names_are_all_there_are():
    assert sorted(augtune.__all__) == dir(augtune)
    assert len(set(augtune.__all__)) == len(augtune.__all__)
    with pytest.raises(AttributeError, match="module 'augtune' has no attribute 'nothing'"):
        augtune.nothing  # noqa: B018


def test_names_for_type_checkers_are_the_public_names():
    """The block under TYPE_CHECKING is what an editor completes; it may not drift from what is resolved."""
    import ast

    tree = ast.parse(Path(augtune.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert seen == set(augtune.__all__) - {"__version__"}


def test_import_writes_nothing_to_the_home_folder(tmp_path):
    code = "import augtune\nfrom augtune.cli.main import main\nmain(['ls', 'recipes'])"
    env = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=env)
    assert list(tmp_path.rglob("*")) == []
