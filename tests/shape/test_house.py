"""The house rules that a machine can hold: floors, sizes, examples that are right, no private paths."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from augtune.experiment.plan import read_plan

ROOT = Path(__file__).parents[2]
EXAMPLES = 17
LONGEST = 400
HOME = re.compile(r"(?:/home/|/Users/|C:\\Users\\)[\w.-]+|/root/\w+")


def own_files():
    """Return every file of the repository: those git knows, or all but what .gitignore names."""
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip("not a git checkout, so which files belong to the repository is not known")
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_floors_hold():
    lint = Path(sys.executable).with_name("lint-imports")
    if not lint.exists():
        pytest.skip("import-linter is not installed")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_source_files_stay_small():
    sizes = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in (ROOT / "src").rglob("*.py")}
    assert {str(path.relative_to(ROOT)): n for path, n in sizes.items() if n >= LONGEST} == {}


def test_every_example_is_a_valid_plan():
    found = sorted(path for path in own_files() if path.suffix in (".yaml", ".yml") and "examples" in path.parts)
    assert len(found) == EXAMPLES, [str(path) for path in found]
    for path in found:
        assert read_plan(path).arms, path


def test_no_file_names_a_home_folder():
    named = {}
    for path in own_files():
        text = path.read_bytes().decode("utf-8", errors="ignore")
        if path != Path(__file__) and (found := HOME.search(text)):
            named[str(path.relative_to(ROOT))] = found[0]
    assert named == {}


def test_every_folder_of_the_package_says_what_it_is():
    for path in (ROOT / "src" / "augtune").rglob("__init__.py"):
        first = path.read_text(encoding="utf-8").lstrip()
        assert first.startswith('"""'), path
        assert not first.startswith('""""""'), f"{path}: an empty docstring"


def test_no_unfinished_business():
    mark = re.compile(r"#.*\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)) + r")\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in own_files()
        if path.suffix == ".py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if mark.search(line)
    ]
    assert found == []


def test_words_of_the_makefile_are_there():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in ("demo", "test", "check", "fix", "clean"):
        assert re.search(rf"^{word}:", text, re.MULTILINE), word


def test_method_of_the_contributing_page_works():
    from augtune.core.dataset import Dataset, Example, HumanDataset
    from augtune.core.labels import Labels
    from augtune.curation.base import curate

    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert code is not None
    names = {"__name__": "shorten"}
    exec(compile(code[1], "CONTRIBUTING.md", "exec", dont_inherit=True), names)
    labels = Labels(("a", "b"))
    human = HumanDataset.from_examples([Example("h", "ten letter", "a")], labels)
    texts = {"s": "short", "l": "longer than ten letters"}
    rows = Dataset.from_examples([Example(i, t, "b", origin="generated") for i, t in texts.items()], labels)
    result = curate(rows, [names["Shorten"]()], human=human)
    assert result.dataset.ids == ("s",)
    assert [(row.example.id, row.because) for row in result.dropped] == [("l", "longer than 10 characters")]
    assert len(curate(rows, [names["Shorten"](times=3)], human=human).dataset) == 2
