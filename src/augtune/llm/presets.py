"""Addresses augtune knows by name: where each provider is, and which environment variable holds its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["PRESETS", "MaxTokensField", "Preset"]

MaxTokensField = Literal["max_tokens", "max_completion_tokens"]


@dataclass(frozen=True, slots=True)
class Preset:
    """One provider with an OpenAI-compatible API.

    Args:
        summary: What it is, in one line.
        base_url: Its address; None if it differs per user and ``base_url`` has to be given.
        api_key_env: Environment variable of the key; None if it needs none.
        max_tokens_field: Name the body's output limit has there.
        is_free: Calls cost no money, because it runs on the user's own machine.
    """

    summary: str
    base_url: str | None
    api_key_env: str | None = None
    max_tokens_field: MaxTokensField = "max_tokens"
    is_free: bool = False


def _local(name: str, port: int) -> Preset:
    return Preset(f"{name} on this machine.", f"http://127.0.0.1:{port}/v1", is_free=True)


PRESETS: dict[str, Preset] = {
    "openai": Preset("OpenAI.", "https://api.openai.com/v1", "OPENAI_API_KEY", "max_completion_tokens"),
    "azure": Preset(
        "Azure OpenAI; base_url: https://RESOURCE.openai.azure.com/openai/v1.",
        None,
        "AZURE_OPENAI_API_KEY",
        "max_completion_tokens",
    ),
    "anthropic": Preset("Anthropic.", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY"),
    "gemini": Preset("Google Gemini.", "https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY"),
    "openrouter": Preset("OpenRouter.", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "together": Preset("Together AI.", "https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "groq": Preset("Groq.", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "mistral": Preset("Mistral AI.", "https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "deepseek": Preset("DeepSeek.", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks": Preset("Fireworks AI.", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"),
    "ollama": _local("Ollama", 11434),
    "vllm": _local("vLLM", 8000),
    "lmstudio": _local("LM Studio", 1234),
    "transformers": _local("transformers serve", 8000),
}
