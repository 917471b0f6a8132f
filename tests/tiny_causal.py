"""A causal language model of some thousand weights with a byte-level tokenizer, made and trained on the spot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

TEMPLATE = "{% for m in messages %}{{ m['content'] }}\n{% endfor %}"


def build(folder: Path, texts: Sequence[str], *, steps: int = 0, context: int = 256, vocabulary: int = 400) -> str:
    """Save a Llama of 2 layers and 48 units that has read ``texts`` for some steps; return its folder."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="</s>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = LlamaConfig(
            vocab_size=len(fast),
            hidden_size=48,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=context,
            bos_token_id=fast.bos_token_id,
            eos_token_id=fast.eos_token_id,
            pad_token_id=fast.pad_token_id,
        )
        model = LlamaForCausalLM(config)
        _train(model, [fast(text)["input_ids"][:context] for text in texts], steps)
    model.generation_config.do_sample = True  # without it, transformers serve is greedy at any temperature
    model.save_pretrained(folder)
    return str(folder)


def _train(model, rows: list[list[int]], steps: int, batch: int = 16) -> None:
    import torch

    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(steps):
        part = [rows[(step * batch + i) % len(rows)] for i in range(batch)]
        width = max(map(len, part))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in part])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in part])
        loss = model(input_ids=ids, attention_mask=mask, labels=ids.masked_fill(mask == 0, -100)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
