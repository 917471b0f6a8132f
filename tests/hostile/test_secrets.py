"""Keys: what a provider, a proxy or a library says of one is hidden, and the search for the planted one can fail."""

from __future__ import annotations

import base64
import html
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug import Response

from augtune.cli.main import main
from augtune.core.errors import ProviderError, SettingsError
from augtune.llm.client import LLM
from augtune.llm.keys import hidden, hidden_in_reply
from augtune.llm.messages import Message
from augtune.llm.settings import LLMSettings
from canary import CANARY, NAMES, Watch, leaks_in

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=16, max_size=60)
SPELLINGS = {
    "as it is": lambda key: key,
    "in a header": lambda key: f"{{'authorization': 'Bearer {key}'}}",
    "in an address": lambda key: f"https://x.org/v1?api-key={quote(key, safe='')}&b=1",
    "in a form": lambda key: f"key={quote_plus(key)}",
    "as JSON": lambda key: json.dumps({"key": key}),
    "as HTML": lambda key: f"<p>{html.escape(key)}</p>",
    "in hexadecimal": lambda key: key.encode().hex(),
    "basic": lambda key: base64.b64encode(f"user:{key}".encode()).decode(),
    "basic without a user": lambda key: base64.b64encode(f":{key}".encode()).decode(),
    "a header in base64": lambda key: base64.b64encode(f"Authorization: Bearer {key}\r\n".encode()).decode(),
    "base64 for addresses": lambda key: base64.urlsafe_b64encode(f"ab{key}".encode()).decode(),
    "twice": lambda key: f"{key}{key} and {key}",
}


@pytest.mark.parametrize("how", SPELLINGS)
@given(key=KEYS)
def test_key_is_hidden_in_every_spelling(how, key):
    said = SPELLINGS[how](key)
    left = hidden(f"Refused: {said} is no key.", key)
    assert "[key]" in left
    assert not any(left.count(said[i : i + 12]) for i in range(len(said) - 11) if said[i : i + 12] in key)
    if "base64" in how or "basic" in how:
        assert key not in decoded_parts(left)


def decoded_parts(text):
    """Return what the words of a text are in base64, one behind the other."""
    found = []
    for word in text.replace("[key]", " ").split():
        try:
            found.append(base64.b64decode(word + "===", validate=False).decode("latin-1"))
        except ValueError:
            continue
    return "\n".join(found)


@given(key=KEYS, left=st.integers(12, 60))
def test_beginning_of_a_key_that_was_cut_off_is_hidden(key, left):
    said = f"Incorrect API key provided: {key[:left]}"
    assert key[:12] not in hidden(said, key)


def test_what_is_no_key_is_left_as_it_was():
    text = "The model gpt-4.1-mini does not exist or you do not have access to it."
    assert hidden(text, "sk-0123456789abcdef0123456789") == text
    assert hidden(text, "") == text
    assert hidden_in_reply("the test went well", "test") == "the test went well"


@pytest.mark.parametrize(
    "address",
    [
        "https://user:secret@x.org/v1",
        "https://sk-live-abcdefghijklmnop@x.org/v1",
        "https://:secret@x.org/v1",
        "http://127.0.0.1/v1?api-key=abc",
        "https://x.org/v1?code=1&access_token=2",
    ],
)
def test_address_with_a_secret_in_it_is_refused_without_showing_it(address):
    with pytest.raises(SettingsError) as caught:
        LLMSettings.parse({"model": "openai/m", "base_url": address}, where="llm")
    assert str(caught.value) == (
        "llm.base_url: the address holds a password or a key; put it into the environment and name it in api_key_env"
    )


def test_address_with_a_version_in_it_is_taken():
    found = LLMSettings.parse({"model": "azure/m", "base_url": "https://x.org/v1?api-version=preview"}, where="llm")
    assert found.base_url == "https://x.org/v1?api-version=preview"


# ---- a server that says the key back


def echoing(status, spell):
    """Return what answers with the request's own header in its body."""

    def answer(request):
        said = spell(request.headers["Authorization"].removeprefix("Bearer "))
        body = {"error": {"message": f"denied: {said}", "code": said}} if status != 200 else said
        return Response(json.dumps(body), status, content_type="application/json")

    return answer


@pytest.fixture
def address(httpserver, monkeypatch):
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("augtune.llm.layers.retry.Retry._wait_s", lambda *_: 0.01)
    return httpserver


@pytest.mark.parametrize("status", [200, 400, 401, 429, 500])
@pytest.mark.parametrize("how", ["as it is", "in an address", "a header in base64", "in hexadecimal"])
def test_key_that_a_server_says_back_is_in_no_error_log_or_file(status, how, address, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    address.expect_request("/v1/chat/completions").respond_with_handler(echoing(status, SPELLINGS[how]))
    settings = {
        "base_url": address.url_for("/v1"),
        "api_key_env": "OPENAI_API_KEY",
        "own_process": False,
        "give_up_after_s": 0.05,
    }
    with LLM("openai/m", cache=tmp_path / "c.sqlite", **settings) as llm, pytest.raises(ProviderError) as caught:
        llm.send(llm.request(messages=[Message("user", "Hi.")]))
    shown = "".join(traceback.format_exception(caught.value, chain=True)) + repr(caught.value) + caplog.text
    watch = Watch()
    watch.text(shown, "what was shown")
    watch.folder(tmp_path)
    assert watch.leaks == []
    assert "[key]" in str(caught.value)


def test_key_in_a_reply_is_neither_kept_nor_returned(address, tmp_path):
    def answer(request):
        said = f"You sent {request.headers['Authorization']}"
        body = {"choices": [{"message": {"content": said}, "finish_reason": "stop"}], "model": CANARY}
        return Response(json.dumps(body), 200, content_type="application/json")

    address.expect_request("/v1/chat/completions").respond_with_handler(answer)
    settings = {
        "base_url": address.url_for("/v1"),
        "api_key_env": "OPENAI_API_KEY",
        "own_process": False,
        "give_up_after_s": 0.05,
    }
    with LLM("openai/m", cache=tmp_path / "c.sqlite", **settings) as llm:
        assert llm.send(llm.request(messages=[Message("user", "Hi.")])).text == "You sent Bearer [key]"
        llm.save_replies(tmp_path / "r.jsonl")
    assert leaks_in(tmp_path) == []


@pytest.mark.parametrize("own_process", ["true", "false"])
def test_command_that_fails_with_the_key_in_the_reply_shows_it_nowhere(
    own_process, address, tmp_path, capfd, monkeypatch
):
    address.expect_request("/v1/chat/completions").respond_with_handler(echoing(401, SPELLINGS["in a header"]))
    monkeypatch.setenv("AUGTUNE_DEBUG", "1")
    monkeypatch.chdir(tmp_path)
    rows = "text,label\na film,bad\na treat,good\n"
    (tmp_path / "rows.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "test.csv").write_text(rows.replace("a ", "one "), encoding="utf-8")
    (tmp_path / "x.yaml").write_text(
        f"""
name: x
data: {{source: {tmp_path}, train: all of rows, test: all of test, validation: none}}
llm: {{model: openai/m, base_url: "{address.url_for("/v1")}", api_key_env: OPENAI_API_KEY, budget: 10 calls,
       price: {{input: 1, output: 1}}, own_process: {own_process}}}
generate: {{kind: gpt3mix, per_class: 1}}
train: {{steps: 1}}
arms: {{a: {{}}}}
""",
        encoding="utf-8",
    )
    assert main(["--debug", "run", "x.yaml"]) == 4
    shown = "".join(capfd.readouterr())
    assert "denied" in shown
    watch = Watch()
    watch.text(shown, "the screen")
    watch.folder(tmp_path)
    assert watch.leaks == []


# ---- the search can fail


def test_key_is_planted_where_keys_are():
    assert {os.environ.get(name) for name in NAMES} == {CANARY}


@pytest.mark.parametrize(
    "how", ["as it is", "in a header", "in an address", "in hexadecimal", "basic", "a header in base64"]
)
def test_key_in_a_file_is_found(how, tmp_path_factory):
    folder = tmp_path_factory.mktemp("leak")
    path = folder / "deep" / "events.jsonl"
    path.parent.mkdir()
    path.write_text("x" * 10_000 + SPELLINGS[how](CANARY) + "y" * 10_000, encoding="utf-8")
    assert leaks_in(folder) == [str(path)]
    path.unlink()
    assert leaks_in(folder) == []


def test_key_in_a_files_name_or_in_the_header_of_weights_is_found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leak")
    named = folder / f"log-{quote(CANARY, safe='')}.txt"
    named.write_text("", encoding="utf-8")
    weights = folder / "model.safetensors"
    weights.write_bytes(b"\0" * 100 + CANARY.encode() + b"\0" * 5_000_000)
    assert sorted(leaks_in(folder)) == sorted([f"the name of {named}", str(weights)])
    named.unlink()
    weights.unlink()


def test_key_in_what_a_test_says_is_found():
    watch = Watch()
    report = SimpleNamespace(
        nodeid="test_x",
        sections=[("Captured log call", "fine"), ("Captured stderr call", f"key {CANARY}")],
        longrepr="it failed",
        longreprtext=f"assert {CANARY!r} == 1",
    )
    watch.report(report)
    assert watch.leaks == ["test_x: Captured stderr call", "test_x: its failure"]


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="there is no /proc here")
def test_key_in_a_command_line_is_found_where_it_is_running():
    watch = Watch()
    code = "import time, sys; print('up', flush=True); time.sleep(60)"
    process = subprocess.Popen.__new__(subprocess.Popen)
    started = subprocess.Popen.__init__.__closure__
    assert started is not None  # the one that looks at every command; the library's own is inside it
    library = next(cell.cell_contents for cell in started if getattr(cell.cell_contents, "__name__", "") == "__init__")
    library(process, [sys.executable, "-c", code, CANARY], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        watch.processes()
    finally:
        process.kill()
        process.communicate()
    assert watch.leaks == [f"the command line of process {process.pid}"]
    watch.looked_at = time.monotonic() - 10
    watch.processes()
    assert len(watch.leaks) == 1


@pytest.mark.parametrize(
    ("does", "where"),
    [
        ("(tmp_path / 'run.log').write_text('key=' + key)", "run.log"),
        ("print('the key is', key)", "test_leak.py::test_it: Captured stdout call"),
        ("None", None),
    ],
)
def test_suite_whose_tests_leak_the_key_fails(does, where):
    tests = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as outside:  # not below this suite's own folder, which is looked through too
        test = Path(outside, "test_leak.py")
        code = f"import os\n\ndef test_it(tmp_path):\n    key = os.environ['OPENAI_API_KEY']\n    {does}\n"
        test.write_text(code, encoding="utf-8")
        options = [
            "-q",
            "-p",
            "conftest",
            "-p",
            "no:cacheprovider",
            f"--basetemp={outside}/temp",
            f"--rootdir={outside}",
        ]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, str(test)],
            cwd=outside,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), os.environ.get("PYTHONPATH", "")])},
            capture_output=True,
            text=True,
        )
    assert done.returncode == (where is not None), done.stdout
    assert ("the key of the environment was found in" in done.stdout) == (where is not None)
    assert where is None or where in done.stdout
