"""How answers are marked in a text: boxes, LaTeX, answer tags, and lead words of many languages."""

from __future__ import annotations

import re

ANSWER_WORDS = (
    *("answer", "ans", "antwort", "lösung", "antwoord", "svar", "vastaus", "respuesta"),
    *("réponse", "reponse", "risposta", "resposta", "odpowiedź", "odpověď", "válasz", "răspuns"),
    *("cevap", "yanıt", "jawaban", "đáp án", "câu trả lời", "ответ", "відповідь", "απάντηση"),
    *("选", "选择", "选项", "答案", "答え", "答", "回答", "解答", "正解", "정답", "답변", "답"),
    *("الإجابة", "الاجابة", "الجواب", "תשובה", "उत्तर", "คำตอบ"),
)
"""The word "answer", in lower case, as answers are introduced by it."""

_COMMAND = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathbf|mathrm|mathit|mathsf|operatorname|bf|rm|displaystyle)"
    r"(?![A-Za-z])[ ]?\{?"
)
_MATH = re.compile(r"\\[()\[\]]|\$\$?")
_ANSWER_TAG = re.compile(r"<(/?)(?:final[_-]?)?(?:answer|ans|result|output|choice)>", re.IGNORECASE)
_BOX = re.compile(r"\\f?boxed ?\{")


def without_commands(text: str) -> str:
    """`text` without LaTeX's font commands; their closing braces stay."""
    return _COMMAND.sub("", text)


def without_math(text: str) -> str:
    """`text` without the marks around LaTeX formulas: $…$, \\(…\\), \\[…\\]."""
    return _MATH.sub(" ", text)


def tags_as_leads(text: str) -> str:
    """`<answer>B</answer>` written as a line of its own, "answer: B"."""
    return _ANSWER_TAG.sub(lambda tag: "\n" if tag[1] else "\nanswer: ", text)


def boxed(text: str) -> str | None:
    """What the last `\\boxed{…}` holds, to its end or the text's; `None` without one."""
    *_, last = (None, *_BOX.finditer(text))
    if last is None:
        return None
    depth = 1
    for brace in re.finditer(r"[{}]", text[last.end() :]):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return text[last.end() : last.end() + brace.start()]
    return text[last.end() :]
