"""What stages depend on: the same for the same work, another where something else would come out."""

from __future__ import annotations

from augtune.curation.agree import Agree
from augtune.experiment.content import llm_content, settings_content
from augtune.generation.gpt3mix import Gpt3Mix
from augtune.llm.settings import LLMSettings


def test_a_key_that_came_later_changes_no_stage_that_does_not_use_it():
    for settings in (Gpt3Mix, Agree):
        assert "vote_tokens" not in settings_content(settings(), ())
        assert settings_content(settings(vote_tokens=4000), ())["vote_tokens"] == 4000


def test_other_weights_of_a_local_model_are_another_model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    weights = folder / "model.safetensors"
    weights.write_bytes(b"before")
    settings = LLMSettings(model=f"local/{folder}")
    before = llm_content(settings)
    assert llm_content(settings) == before
    assert llm_content(settings.model_copy(update={"max_in_flight": 64, "budget": "9 calls"})) == before
    assert llm_content(LLMSettings(model=f"local/{folder}", local={"dtype": "bfloat16"})) != before
    weights.write_bytes(b"afterw")
    assert llm_content(settings) != before


def test_a_name_on_the_hub_is_told_apart_by_its_revision():
    assert llm_content(LLMSettings(model="local/org/name")) == {"model": "local/org/name"}
    one, two = (llm_content(LLMSettings(model="local/org/name", local={"revision": name})) for name in ("a", "b"))
    assert one != two


def test_a_model_elsewhere_is_its_name_its_address_and_its_extra_fields(tmp_path):
    given = {"model": "openai/x", "base_url": "http://127.0.0.1:1/v1", "extra": {"seed_of": 1}}
    settings = LLMSettings(**given, timeout_s=9, cache=tmp_path / "c.sqlite", max_tokens_field="max_completion_tokens")
    assert llm_content(settings) == given


def test_other_replies_of_a_script_are_another_model(tmp_path):
    script = tmp_path / "replies.jsonl"
    settings = LLMSettings(model=f"scripted/{script}")
    script.write_text('{"text": "yes"}\n')
    before = llm_content(settings)
    script.write_text('{"text": "nay"}\n')
    assert llm_content(settings) != before
