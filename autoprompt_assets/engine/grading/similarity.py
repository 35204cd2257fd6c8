"""The grader `similarity`: how much of the target's wording is in the answer.

chrF (Popović 2015, https://aclanthology.org/W15-3049) and BLEU (Papineni et al. 2002, of a sentence
and with exponential smoothing) are sacrebleu's, ROUGE (Lin 2004) is rouge-score's: all divided by
100 where they go that far. Each is loaded where it is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Self

from pydantic import field_validator, model_validator

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import Grade, graded, unreviewed
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.grading.target_form import missing_problem
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.text import visible

LONGEST_WORD = 50

Measure = Literal["chrf", "chrf++", "bleu", "rouge1", "rouge2", "rougeL"]


class SimilarityGrader(Rule):
    """Worth how alike the wording of answer and target is, from 0 to 1."""

    kind: Literal["similarity"]
    measure: Measure = "chrf"
    ignore_case: bool = False
    """ROUGE always does."""
    tokenize: Literal["13a", "intl", "char"] | None = None
    """What BLEU takes for a word: `char` for text without spaces, 13a unless told otherwise."""
    stem: bool = False
    """ROUGE compares English words by their stems."""
    reads_input: ClassVar[bool] = False
    compares_whole: ClassVar[bool] = True

    @field_validator("measure")
    @classmethod
    def _is_there(cls, measure: Measure) -> Measure:
        if measure.startswith("rouge") and find_spec("rouge_score") is None:
            raise ValueError(
                f"{measure!r} needs the package rouge-score, which is not installed; run pip "
                "install 'autoprompt-assets[rouge]', or use chrf"
            )
        return measure

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tokenize and self.measure != "bleu":
            raise ValueError(f"tokenize: is for bleu, and not for {self.measure}; take it out")
        if self.stem and not self._is_rouge:
            raise ValueError(f"stem: is for ROUGE, and not for {self.measure}; take it out")
        return self

    def grade(self, example: Example, answer: str) -> Grade:
        """Compare the wording."""
        problem = self._nothing_in(example.target)
        if problem:
            return unreviewed(f"the target {shown(example.target, 60)} {problem}")
        value = min(1.0, max(0.0, self._likeness(visible(answer), visible(example.target))))
        feedback = f"{self.measure} {value:.2f}, want {shown(example.target, 200)}"
        return graded(value, feedback=feedback if value < 1 else "", metrics={self.measure: value})

    def target_problem(self, example: Example, prompt: str) -> str:
        """A missing value, or nothing that is compared."""
        problem = missing_problem(example.target, prompt)
        nothing = self._nothing_in(example.target)
        return problem or (f"{nothing}; mend the rows or grader.measure" if nothing else "")

    @property
    def _is_rouge(self) -> bool:
        return self.measure.startswith("rouge")

    def _nothing_in(self, target: str) -> str:
        if self._is_rouge and len(self._words.tokenize(target)) < (self.measure == "rouge2") + 1:
            least = "two words" if self.measure == "rouge2" else "a word"
            return f"has not {least} of a to z and 0 to 9, which alone count for {self.measure}"
        return "" if target.strip() else "is empty"

    def _likeness(self, answer: str, target: str) -> float:
        score: float
        if self.measure == "rougeL":
            return rouge_l(*map(self._words.tokenize, (target, answer)))
        if self._is_rouge:
            score = self._scorer.score(target, answer)[self.measure].fmeasure
            return score
        score = self._scorer.sentence_score(answer, [target]).score
        if self.measure == "bleu":
            _forget_texts()
        return score / 100

    @lazy
    def _words(self) -> _RougeWords:
        return _RougeWords(self.stem)

    @lazy
    def _scorer(self) -> Any:
        if self._is_rouge:
            from rouge_score.rouge_scorer import RougeScorer

            return RougeScorer([self.measure], tokenizer=self._words)
        if self.measure == "bleu":
            from sacrebleu.metrics.bleu import BLEU

            tokenize = self.tokenize or "13a"
            return BLEU(self.ignore_case, force=True, tokenize=tokenize, effective_order=True)
        from sacrebleu.metrics.chrf import CHRF

        return CHRF(word_order=2 if self.measure == "chrf++" else 0, lowercase=self.ignore_case)


class _RougeWords:
    """rouge-score's words. No word of more than LONGEST_WORD letters is brought to its stem: nltk's
    stemmer takes the square of its length, or fails on it.
    """

    def __init__(self, stem: bool) -> None:
        self._stem = stem

    def tokenize(self, text: str) -> list[str]:
        """The words of `text`."""
        from rouge_score.tokenize import tokenize

        words: list[str] = tokenize(text, self if self._stem else None)
        return words

    def stem(self, word: str) -> str:
        """The stem of `word`."""
        stem: str = self._stemmer.stem(word) if len(word) <= LONGEST_WORD else word
        return stem

    @lazy
    def _stemmer(self) -> Any:
        from nltk.stem.porter import PorterStemmer

        return PorterStemmer()


def rouge_l(wanted: Sequence[str], given: Sequence[str]) -> float:
    """The F measure of the longest common subsequence of two lists of words, neither empty.

    rouge-score's own fills a table of every word by every word.
    """
    from rouge_score.scoring import fmeasure

    if not given:
        return 0.0
    common = _common_subsequence(wanted, given)
    value: float = fmeasure(common / len(given), common / len(wanted))
    return value


def _forget_texts() -> None:
    """Its tokenizers keep the last 65,536 texts, however long they are."""
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
    from sacrebleu.tokenizers.tokenizer_char import TokenizerChar
    from sacrebleu.tokenizers.tokenizer_intl import TokenizerV14International
    from sacrebleu.tokenizers.tokenizer_re import TokenizerRegexp

    for kind in (Tokenizer13a, TokenizerChar, TokenizerV14International, TokenizerRegexp):
        kind.__call__.cache_clear()


def _common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest common subsequence of words, by the bits of whole numbers.

    Hyyrö 2004, "Bit-parallel LCS-length computation revisited".
    """
    places: dict[str, int] = {}
    for index, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << index
    every = (1 << len(one)) - 1
    rows = every
    for word in other:
        shared = rows & places.get(word, 0)
        rows = ((rows + shared) | (rows - shared)) & every
    return len(one) - rows.bit_count()
