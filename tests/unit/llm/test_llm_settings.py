from __future__ import annotations

from typing import Any

import pytest

from augtune.core.errors import SettingsError
from augtune.llm import PROVIDERS
from augtune.llm.client import LLM
from augtune.llm.presets import PRESETS
from augtune.llm.prices import FREE, Price
from augtune.llm.settings import LLMSettings, Target, price_of, target_of

URL = "http://127.0.0.1:8000/v1"


@pytest.mark.parametrize(
    ("fields", "target"),
    [
        (
            {"model": "openai/gpt-4.1-mini"},
            Target("openai", "https://api.openai.com/v1", "gpt-4.1-mini", "OPENAI_API_KEY", "max_completion_tokens"),
        ),
        (
            {"model": "openrouter/meta-llama/llama-3.3-70b"},
            Target("openrouter", "https://openrouter.ai/api/v1", "meta-llama/llama-3.3-70b", "OPENROUTER_API_KEY"),
        ),
        # The provider's key stays with the provider.
        ({"model": "openai/gpt-4.1-mini", "base_url": URL}, Target("openai", URL, "gpt-4.1-mini")),
        (
            {"model": "openai/gpt-4.1-mini", "base_url": f"{URL}/", "api_key_env": "MY_KEY"},
            Target("openai", URL, "gpt-4.1-mini", "MY_KEY"),
        ),
        (
            {"model": "azure/my-deployment", "base_url": "https://r.openai.azure.com/openai/v1"},
            Target(
                "azure",
                "https://r.openai.azure.com/openai/v1",
                "my-deployment",
                "AZURE_OPENAI_API_KEY",
                "max_completion_tokens",
            ),
        ),
        ({"model": "ollama/llama3.2"}, Target("ollama", "http://127.0.0.1:11434/v1", "llama3.2", is_free=True)),
        ({"model": "vllm/openai/gpt-oss-20b"}, Target("vllm", URL, "openai/gpt-oss-20b", is_free=True)),
        ({"model": "Qwen/Qwen3-8B", "base_url": URL}, Target("openai", URL, "Qwen/Qwen3-8B")),
        ({"model": "my-model", "base_url": URL}, Target("openai", URL, "my-model")),
        ({"model": "scripted/a/b.jsonl"}, Target("scripted", None, "a/b.jsonl", is_free=True)),
    ],
)
def test_a_name_stands_for_a_target(fields: dict[str, Any], target: Target):
    assert target_of(LLMSettings(**fields)) == target


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "llm.model: missing; it has to be given, e.g. openai/gpt-4.1-mini or ollama/llama3.2"),
        (
            {"model": "gpt-4.1-mini"},
            "llm.model: expected PROVIDER/MODEL, e.g. openai/gpt-4.1-mini, got 'gpt-4.1-mini'",
        ),
        ({"model": "openai/"}, "llm.model: expected PROVIDER/MODEL, e.g. openai/gpt-4.1-mini, got 'openai/'"),
        ({"model": "opnai/gpt-4.1"}, "llm.model: no provider is called 'opnai'; did you mean 'openai'?"),
        (
            {"model": "azure/x"},
            "llm.base_url: missing; azure needs it: Azure OpenAI; base_url: https://RESOURCE.openai.azure.com/openai/v1.",
        ),
        (
            {"model": "openai/x", "base_url": "localhost:8000"},
            "llm.base_url: expected an address that starts with http:// or https://, got 'localhost:8000'",
        ),
        (
            {"model": "openai/x", "budget": "2"},
            "llm.budget: expected an amount and a unit, like '2 USD', '500 calls' or '2M tokens', got '2'",
        ),
        ({"model": "openai/x", "budgt": "2 USD"}, "llm.budgt: unknown key; did you mean 'budget'?"),
        (
            {"model": "openai/x", "budget": "2 USD"},
            "llm.price: missing; the price of openai/x is not known, so a budget of 2 USD cannot be held; give "
            "price: {input: ..., output: ...} in $/million tokens, or a budget in calls or tokens",
        ),
        (
            {"model": "openai/x", "extra": {"n": 3}},
            "llm.extra: extra may not hold n: give a field of that meaning to the request, one call gives one whole reply",
        ),
        (
            {"model": "openai/x", "extra": {"max_completion_tokens": 3}},
            "llm.extra: extra may not hold max_completion_tokens: give a field of that meaning to the request, one call "
            "gives one whole reply; the name of its limit is max_tokens_field",
        ),
        ({"model": "openai/x", "price": {"input": 1}}, "llm.price.output: missing; it has to be given"),
        ({"model": "openai/x", "max_in_flight": 0}, "llm.max_in_flight: should be greater than or equal to 1, got 0"),
    ],
)
def test_wrong_settings_say_what_is_wrong(fields: dict[str, Any], message: str):
    with pytest.raises(SettingsError) as caught:
        LLM(**fields)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"model": "openai/x"}, "max_completion_tokens"),
        ({"model": "openai/x", "base_url": "http://127.0.0.1:1/v1"}, "max_tokens"),
        (
            {"model": "openai/x", "base_url": "http://127.0.0.1:1/v1", "max_tokens_field": "max_completion_tokens"},
            "max_completion_tokens",
        ),
        (
            {"model": "x", "base_url": "http://127.0.0.1:1/v1", "max_tokens_field": "max_completion_tokens"},
            "max_completion_tokens",
        ),
        ({"model": "openai/x", "max_tokens_field": "max_tokens"}, "max_tokens"),
    ],
)
def test_the_name_of_the_limit_is_the_given_one_or_that_of_the_address(fields: dict[str, Any], field: str):
    assert target_of(LLMSettings(**fields)).max_tokens_field == field


def test_the_price_is_the_given_one_or_none_on_ones_own_machine_or_the_listed_one():
    def price(**fields: Any) -> Price | None:
        settings = LLMSettings(**fields)
        return price_of(settings, target_of(settings))

    given = {"input": 1, "output": 2}
    assert price(model="openai/gpt-4.1-mini", price=given) == Price(input=1, output=2)
    assert price(model="ollama/llama3.2", budget="1 USD") == FREE
    assert price(model="openai/gpt-4.1-mini", budget="1 USD") == Price(input=0.40, output=1.60, cached=0.10, batch=0.5)
    assert price(model="openai/x", budget="10 calls") is None


def test_settings_are_the_keys_of_the_experiment_file():
    text = {"model": "openai/gpt-4.1-mini", "budget": "5 USD", "requests_per_minute": 500}
    assert LLMSettings.parse(text, where="llm").to_json() == {
        **LLMSettings().to_json(),
        "model": "openai/gpt-4.1-mini",
        "budget": "5 USD",
        "requests_per_minute": 500.0,
    }
    assert all(field.description for field in LLMSettings.model_fields.values())


@pytest.mark.parametrize("name", list(PROVIDERS))
def test_every_provider_of_the_catalog_loads(name: str):
    assert PROVIDERS.load(name).kind == name


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_is_complete(name: str):
    preset = PRESETS[name]
    assert preset.summary.endswith(".")
    assert preset.base_url is None or not preset.base_url.endswith("/")
    assert preset.is_free == (preset.api_key_env is None)


def test_a_batch_is_priced_as_one_unless_its_replies_are_replayed():
    settings = LLMSettings(model="openai/gpt-4.1-mini", batch=True)
    assert price_of(settings, target_of(settings)) == Price(input=0.20, output=0.80)
