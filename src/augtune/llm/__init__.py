"""Language models: any provider, every reply kept, a budget that holds. Knows nothing of datasets or labels."""

from augtune.core.catalog import Catalog, Row
from augtune.core.settings import Settings

__all__ = ["PROVIDERS"]

PROVIDERS: Catalog[Settings] = Catalog(
    "provider",
    {
        "local": Row("augtune.llm.providers.local:Local", "A transformers model in this process; scores texts too."),
        "openai": Row("augtune.llm.providers.openai:OpenAI", "Any OpenAI-compatible address, by name or by base_url."),
        "replay": Row("augtune.llm.providers.replay:Replay", "A recording of replies; no network, no cost."),
        "scripted": Row("augtune.llm.providers.scripted:Scripted", "Replies written beforehand, for tests and demos."),
    },
)
