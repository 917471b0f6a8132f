"""A loaded causal model: batches of prompts continued, each with a stream of chance of its own, or texts scored."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    LogitsProcessorList,
    StoppingCriteriaList,
)
from transformers.utils import logging

from augtune.core.errors import InputError
from augtune.core.foreign import check_folder, told
from augtune.llm.failures import CallError
from augtune.llm.messages import Reply, Request, Score, TokenLogprobs
from augtune.llm.providers.decoding import Ending, Sampler
from augtune.llm.providers.local import LocalOptions

__all__ = ["CausalModel"]

ANCHOR = 8  # tokens before a piece that are decoded with it, because some tokenizers drop a text's first blank
UNLIMITED = 1 << 20

Outcome = Reply | CallError


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A request whose prompt is tokens, and the most it may be continued by."""

    request: Request
    ids: list[int]
    most: int


@dataclass(frozen=True, slots=True)
class _Scoring:
    """One request to be scored: how many tokens all its candidates share, and each candidate's tokens."""

    request: Request
    shared: int
    candidates: list[list[int]]


class CausalModel:
    """A transformers causal model and its tokenizer.

    Args:
        name: A folder, or a name on the hub.
        options: Where it runs and in what precision.

    Raises:
        InputError: If there is no such model or it cannot be loaded.
    """

    def __init__(self, name: str, options: LocalOptions) -> None:
        self._name = name
        self._batch = options.batch_size
        device = options.device
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        place = Path(name).expanduser()
        where: dict[str, Any] = {"pretrained_model_name_or_path": str(place) if place.is_dir() else name}
        where |= {"revision": options.revision or "main", "trust_remote_code": False}
        if place.is_dir():
            check_folder(place, what=f"llm.model: local/{name}")
        try:
            with _without_bars():
                self._tokenizer: Any = AutoTokenizer.from_pretrained(**where)
                loaded: Any = AutoModelForCausalLM.from_pretrained(dtype=options.dtype, **where)
            self._model = loaded.to(device).eval()
        except Exception as error:  # the loaders of other libraries raise what they like; the cause stays attached
            raise InputError(
                f"llm.model: local/{name}: no causal language model could be loaded ({told(error)}).",
                hint="It has to be a folder with config.json, weights and tokenizer, or a name on the hub.",
            ) from error
        own = self._model.generation_config
        ends = own.eos_token_id if own.eos_token_id is not None else self._tokenizer.eos_token_id
        self._ends = frozenset(ends if isinstance(ends, list) else [] if ends is None else [ends])
        self._pad = next((i for i in (self._tokenizer.pad_token_id, *self._ends) if i is not None), 0)
        # A model's own sampling defaults (a repetition penalty, a temperature) would change what was asked for.
        self._model.generation_config = GenerationConfig(pad_token_id=self._pad)
        config = self._model.config
        text = config.get_text_config() if hasattr(config, "get_text_config") else config
        self._context = int(getattr(text, "max_position_embeddings", None) or UNLIMITED)
        self._keeps = "logits_to_keep" in inspect.signature(self._model.forward).parameters

    # ---- writing

    def write(self, requests: Sequence[Request], wanted: Callable[[], bool]) -> list[Outcome]:
        """Return a reply to each request, or why there is none.

        Args:
            requests: What to continue.
            wanted: Asked after each token whether anyone still waits.
        """
        prompts = [self._prompt(request) for request in requests]
        ready = [prompt for prompt in prompts if isinstance(prompt, _Prompt)]
        replies = iter(self._halving(ready, lambda part: self._write(part, wanted)))
        return [prompt if isinstance(prompt, CallError) else next(replies) for prompt in prompts]

    def _prompt(self, request: Request) -> _Prompt | CallError:
        text = self._text(request)
        if isinstance(text, CallError):
            return text
        ids = self._tokens(text, request)
        room = self._context - len(ids)
        if not ids:
            return CallError(f"local/{self._name}: an empty prompt cannot be continued.", "request")
        if room < 1:
            return self._too_long(len(ids))
        return _Prompt(request, ids, min(room if request.max_tokens is None else request.max_tokens, room))

    @torch.inference_mode()
    def _write(self, prompts: Sequence[_Prompt], wanted: Callable[[], bool]) -> list[Outcome]:
        width = max(len(prompt.ids) for prompt in prompts)
        pads = [width - len(prompt.ids) for prompt in prompts]
        device = self._model.device
        ids = torch.tensor([[self._pad] * n + p.ids for n, p in zip(pads, prompts, strict=True)], device=device)
        mask = torch.tensor([[0] * n + [1] * (width - n) for n in pads], device=device)
        requests = [prompt.request for prompt in prompts]
        sampler = Sampler(requests, width)
        ending = Ending(
            requests,
            [prompt.most for prompt in prompts],
            start=width,
            ends=self._ends,
            decode=lambda row, tokens: self._after(prompts[row].ids, tokens),
            wanted=wanted,
        )
        made = self._model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=GenerationConfig(
                do_sample=False, max_new_tokens=max(prompt.most for prompt in prompts), pad_token_id=self._pad
            ),
            logits_processor=LogitsProcessorList([sampler]),
            stopping_criteria=StoppingCriteriaList([ending]),
        )
        rows: list[list[int]] = made[:, width:].tolist()
        return [self._reply(prompts[i], rows[i][: ending.lengths[i]], sampler, i) for i in range(len(rows))]

    def _reply(self, prompt: _Prompt, tokens: list[int], sampler: Sampler, row: int) -> Reply:
        request = prompt.request
        ended = bool(tokens) and tokens[-1] in self._ends
        text = self._after(prompt.ids, tokens[:-1] if ended else tokens)
        cuts = [place for stop in request.stop if stop and (place := text.find(stop)) >= 0]
        logprobs = None
        if request.logprobs is not None:
            logprobs = tuple(
                self._token(prompt.ids + tokens[:place], token, *sampler.read(row, place, request.logprobs))
                for place, token in enumerate(tokens[: len(tokens) - ended])
            )
        return Reply(
            text[: min(cuts)] if cuts else text,
            "stop" if ended or cuts else "length",
            tokens_in=len(prompt.ids),
            tokens_out=len(tokens),
            logprobs=logprobs,
            model=request.model,
        )

    def _token(self, before: list[int], token: int, logprob: float, top: list[tuple[int, float]]) -> TokenLogprobs:
        anchor = before[-ANCHOR:]
        ranked = tuple((self._after(anchor, [other]), value) for other, value in top)
        return TokenLogprobs(self._after(anchor, [token]), logprob, ranked)

    # ---- scoring

    def score(self, requests: Sequence[Request], wanted: Callable[[], bool]) -> list[Outcome]:
        """Return for each request a reply with the scores of its continuations, or why there is none.

        Args:
            requests: Prompts and continuations.
            wanted: Asked before each batch whether anyone still waits.
        """
        asked = [self._scoring(request) for request in requests]
        ready = [one for one in asked if isinstance(one, _Scoring)]
        # The last token of a candidate is predicted and never read, so labels of one token share one row of input.
        rows = sorted({tuple(c[:-1]) for one in ready for c in one.candidates}, key=len)
        known: dict[tuple[int, ...], torch.Tensor] = {}
        needed = _places(ready)
        for start in range(0, len(rows), self._batch):
            if not wanted():
                break
            part = rows[start : start + self._batch]
            known.update(zip(part, self._halving(part, lambda few: self._logits(few, needed)), strict=True))
        return [one if isinstance(one, CallError) else self._scores(one, known, needed) for one in asked]

    def _scoring(self, request: Request) -> _Scoring | CallError:
        text = self._text(request)
        if isinstance(text, CallError):
            return text
        prompt = self._tokens(text, request)
        candidates = [self._tokens(text + continuation, request) for continuation in request.continuations]
        # Tokens may join over the end of the prompt; what is scored then starts before it, in every candidate alike.
        shared = min(_common(prompt, candidate) for candidate in candidates)
        if not shared or any(len(candidate) <= shared for candidate in candidates):
            return CallError(
                f"local/{self._name}: a continuation adds no token to the prompt, or there is no prompt.", "request"
            )
        longest = max(map(len, candidates))
        return self._too_long(longest) if longest > self._context else _Scoring(request, shared, candidates)

    @torch.inference_mode()
    def _logits(self, rows: Sequence[tuple[int, ...]], needed: dict[tuple[int, ...], int]) -> list[torch.Tensor]:
        """Return per row the log-probabilities from its first needed place on, ``(places, vocabulary)``."""
        width, device = max(map(len, rows)), self._model.device
        ids = torch.tensor([[*row, *[self._pad] * (width - len(row))] for row in rows], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
        first = min(needed[row] for row in rows)
        keep = {"logits_to_keep": width - first} if self._keeps else {}
        logits = self._model(input_ids=ids, attention_mask=mask, use_cache=False, **keep).logits
        logits = logits[:, logits.shape[1] - (width - first) :]
        return [
            torch.log_softmax(logits[i, needed[row] - first : len(row) - first].float(), dim=-1)
            for i, row in enumerate(rows)
        ]

    def _scores(
        self, one: _Scoring, known: dict[tuple[int, ...], torch.Tensor], needed: dict[tuple[int, ...], int]
    ) -> Outcome:
        scores = []
        for text, tokens in zip(one.request.continuations, one.candidates, strict=True):
            row = tuple(tokens[:-1])
            if row not in known:
                return CallError(f"local/{self._name}: the call was given up.", "lost")
            places = torch.arange(one.shared - 1 - needed[row], len(row) - needed[row])
            following = torch.tensor(tokens[one.shared :])
            values = known[row][places.to(known[row].device), following.to(known[row].device)]
            scores.append(Score(text, float(values.double().sum()), len(following)))
        best = max(scores, key=lambda score: score.logprob)
        read = one.shared + sum(score.tokens for score in scores)
        return Reply(best.text, tokens_in=read, model=one.request.model, scores=tuple(scores))

    # ---- tokens

    def _text(self, request: Request) -> str | CallError:
        if request.prompt is not None:
            return request.prompt
        if not self._tokenizer.chat_template:
            return CallError(
                f"local/{self._name}: its tokenizer has no chat template, so it takes no chat.",
                "setup",
                hint="Give it a prompt to continue (gpt3mix: form: completion), or take a model trained for chats.",
            )
        turns = [{"role": message.role, "content": message.content} for message in request.messages]
        return str(self._tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))

    def _tokens(self, text: str, request: Request) -> list[int]:
        """Return a text's tokens; a chat template brings its own special tokens, and no text is ended here."""
        ids = list(self._tokenizer(text, add_special_tokens=request.prompt is not None)["input_ids"])
        end = self._tokenizer.eos_token
        added = end and len(ids) > 1 and ids[-1] == self._tokenizer.eos_token_id and not text.endswith(end)
        return ids[:-1] if added else ids

    def _after(self, before: list[int], tokens: list[int]) -> str:
        """Return what tokens add to the text of those before them."""
        anchor = before[-ANCHOR:]
        options = {"skip_special_tokens": True, "clean_up_tokenization_spaces": False}
        start = str(self._tokenizer.decode(anchor, **options))
        whole = str(self._tokenizer.decode([*anchor, *tokens], **options))
        return whole[len(start) :] if whole.startswith(start) else str(self._tokenizer.decode(tokens, **options))

    def _too_long(self, tokens: int) -> CallError:
        return CallError(
            f"local/{self._name}: the prompt has {tokens} tokens, and the model takes {self._context} with its reply.",
            "request",
            hint="Show fewer or shorter examples.",
        )

    def _halving(self, items: Sequence[Any], work: Callable[[Sequence[Any]], list[Any]]) -> list[Any]:
        """Do work on all items at once or, where the device's memory is too small for that, on ever smaller parts."""
        if not items:
            return []
        try:
            return work(items)
        except torch.OutOfMemoryError as error:
            if len(items) == 1:
                raise InputError(
                    f"local/{self._name}: one call alone does not fit into the memory of {self._model.device}.",
                    hint="Take a smaller model or llm.local: {dtype: bfloat16}, or show shorter examples.",
                ) from error
        torch.cuda.empty_cache()
        half = len(items) // 2
        return self._halving(items[:half], work) + self._halving(items[half:], work)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep transformers' progress bars, which draw over our own, off the screen."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    """Return how many tokens two sequences start with alike."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))


def _places(asked: Sequence[_Scoring]) -> dict[tuple[int, ...], int]:
    """Return for each row of input the first place whose prediction is needed."""
    first: dict[tuple[int, ...], int] = {}
    for one in asked:
        for candidate in one.candidates:
            row = tuple(candidate[:-1])
            first[row] = min(first.get(row, len(row)), one.shared - 1)
    return first
