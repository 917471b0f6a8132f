"""What the package's own source never does: run what it reads, unpickle, start a shell, trust a model's code."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "src").rglob("*.py"))
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "Template", "jinja2.Template"}
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "telnetlib", "xmlrpc"}


def name_of(node: ast.expr) -> str:
    return ast.unparse(node)


def faults_in(source: str) -> list[str]:
    """Return what a piece of source does that it must not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [str(node.module)]
            found += [f"imports {name}" for name in names if name.split(".")[0] in MODULES]
        if not isinstance(node, ast.Call):
            continue
        if name_of(node.func) in CALLS:
            found.append(f"calls {name_of(node.func)}")
        for keyword in node.keywords:
            said = (keyword.arg, ast.unparse(keyword.value))
            if said in (
                ("shell", "True"),
                ("trust_remote_code", "True"),
                ("weights_only", "False"),
                ("allow_pickle", "True"),
            ):
                found.append(f"{said[0]}={said[1]}")
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import pickle", ["imports pickle"]),
        ("from cloudpickle import load", ["imports cloudpickle"]),
        ("eval(x)", ["calls eval"]),
        ("f(x, shell=True, trust_remote_code=True)", ["shell=True", "trust_remote_code=True"]),
        ("torch.load(p, weights_only=False)", ["weights_only=False"]),
        ("model.eval(); re.compile('a')", []),
    ],
)
def test_what_must_not_be_done_is_found(source, found):
    assert faults_in(source) == found


def test_source_does_none_of_it():
    assert len(FILES) > 300
    found = {
        str(path.relative_to(ROOT)): faults for path in FILES if (faults := faults_in(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_models_are_loaded_with_code_switched_off():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and name_of(node.func).endswith((".from_pretrained", ".from_config")):
                said = ast.unparse(node)
                off = any(
                    mark in said for mark in ("trust_remote_code=False", "**NEVER", "**where", "use_safetensors=True")
                )
                assert off, f"{path.relative_to(ROOT)}: {said}"
