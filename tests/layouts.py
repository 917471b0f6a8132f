"""Small random encoders of every supported layout: a name and what makes one."""

from __future__ import annotations

import transformers as tf

SMALL = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
LAYOUTS = {
    "bert": lambda: tf.BertModel(tf.BertConfig(**SMALL, max_position_embeddings=20)),
    "roberta": lambda: tf.RobertaModel(tf.RobertaConfig(**SMALL, max_position_embeddings=22, pad_token_id=1)),
    "distilbert": lambda: tf.DistilBertModel(
        tf.DistilBertConfig(vocab_size=40, dim=16, n_layers=3, n_heads=2, hidden_dim=32, max_position_embeddings=20)
    ),
    "electra": lambda: tf.ElectraModel(tf.ElectraConfig(**SMALL, embedding_size=8, max_position_embeddings=20)),
    "deberta": lambda: tf.DebertaV2Model(
        tf.DebertaV2Config(**SMALL, max_position_embeddings=20, relative_attention=True, pos_att_type=["p2c", "c2p"])
    ),
    "mpnet": lambda: tf.MPNetModel(tf.MPNetConfig(**SMALL, max_position_embeddings=22)),
    "modernbert": lambda: tf.ModernBertModel(
        tf.ModernBertConfig(**{**SMALL, "vocab_size": 40}, max_position_embeddings=20, pad_token_id=0)
    ),
}
