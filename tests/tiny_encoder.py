"""A tiny encoder, for tests and benchmarks that need one and not what it knows."""

from __future__ import annotations

from pathlib import Path

WORDS = (
    "the a an of to and in is was it for on with as at by this that from my your i you we they he she not no "
    "good bad great awful film movie plot acting story love hate boring fun parcel lamp login password bill charge "
    "refund late broken works never always please help cannot can will would could what where when how why who "
    "one two three four five six seven eight nine ten red blue green day week month year time people thing made "
    "really very quite too more less much many few some any all none yes today yesterday now then here there"
).split()


def build(folder: Path) -> str:
    """Write a BERT of 2 layers and 32 units with random weights and a vocabulary of some hundred words."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    pieces = specials + sorted(set(WORDS)) + [x for x in letters if x not in WORDS] + ["##" + x for x in letters]
    vocab = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])],
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    fast.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocab),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
        BertModel(config).save_pretrained(folder)
    return str(folder)
