"""What an utterance does: a yes to a proposal, a refusal, a claim of something done.

By lexicon, in English. It errs to the agent's side, because criteria gate on it: a claim is a claim only if it can
hardly be read as a question, an offer, a report of how things already were, or a denial.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline.judging.compare import fold
from pipeline.judging.lexicon import (
    ASKS,
    DECLINES,
    EFFECT_NOUNS,
    EFFECTS,
    FILLERS,
    GO,
    NEUTRAL,
    NO,
    NO_FIRST,
    PATIENCE,
    WEAK_YES,
    YES,
)


def _any(phrases: Iterable[str], tail: str = r"(?!\w)") -> str:
    return "(?:" + "|".join(re.escape(p) for p in sorted(phrases, key=len, reverse=True)) + ")" + tail


def _plain(text: str) -> str:
    return fold(text).replace("’", "'").replace("´", "'")


# ---------------------------------------------------------------- a yes

_SENTENCE = re.compile(r"([^.!?;\n]*)([.!?;\n]+|$)")
_CLAUSE = re.compile(r"\s*(?:[,:]|—|–|\s-\s)\s*")
_NEUTRAL = re.compile(r"(?<!\w)" + "(?:" + "|".join(re.escape(p).replace(r"\ ", r",? ") for p in NEUTRAL) + r")(?!\w)")
_YES = re.compile(_any(YES))
_LEADING_YES = re.compile(r"\W*(?:oh |well |hmm )?(?:yes|yeah|yep|yup)\b(?!\s*\?)")
_GO = re.compile(r"(?<!\w)" + _any(GO))
_WEAK = re.compile(_any((*WEAK_YES, *FILLERS)) + r"(?:\s+" + _any(FILLERS) + r")*\W*")
_WEAK_CORE = re.compile(r"(?<!\w)" + _any(WEAK_YES))
_NO = re.compile(r"(?<!\w)" + _any(NO) + r"|(?<!\w)no(?=\s*(?:[,.!;:—–-]|$))|^(?:oh |um |uh |well |sorry )?no\b")
_NO_FIRST = re.compile(_any(NO_FIRST) + r"|cancel that$")
MAX_YES_WORDS = 60


def confirms(text: str) -> bool:
    """Whether an utterance is a clear yes to what was just proposed: a yes somewhere, and neither a no nor a "but"."""
    plain = _plain(text.replace("\n", ". "))
    if len(plain.split()) > MAX_YES_WORDS:
        return False
    if _NEUTRAL.search(plain):
        plain = _NEUTRAL.sub("ok" if _NEUTRAL.fullmatch(plain.strip(" .!")) else "", plain)
    yes, weak_only, weak = bool(_LEADING_YES.match(plain)), True, False
    for sentence, end in _SENTENCE.findall(plain):
        sentence = sentence.strip()
        if not sentence:
            continue
        question = "?" in end
        for clause in _CLAUSE.split(sentence):
            clause = clause.strip(" \"'")
            clause = re.sub(r"^(?:and|oh|well|so|then)\s+", "", clause)
            if not clause:
                continue
            if _NO.search(clause) or _NO_FIRST.match(clause):
                return False
            if not question and (_YES.match(clause) or _GO.search(clause)):
                yes = True
            if _WEAK.fullmatch(clause):
                weak |= not question and bool(_WEAK_CORE.search(clause))
            else:
                weak_only = False
    return yes or (weak and weak_only)


_COURTESY = re.compile(_any((*YES, *WEAK_YES, *FILLERS, *GO, *PATIENCE), r"(?:\s+|$)"))


def courteous(text: str) -> bool:
    """Whether an utterance says nothing but yes, thanks or "no hurry": it raises nothing and takes nothing back."""
    if "?" in text or len(text.split()) > 20:
        return False
    clauses = [part.strip() for part in re.split(r"[^\w'’👍✅ ]+|\band\b", _plain(text))]
    return any(clauses) and all(_COURTESY.sub("", clause) == "" for clause in clauses)


def asks(text: str) -> bool:
    """Whether an agent's message waits for the user's word."""
    return "?" in text or "？" in text or any(p in _plain(text) for p in ASKS)


# ---------------------------------------------------------------- a refusal

_DECLINES = re.compile("|".join(DECLINES), re.I)


def declines(text: str) -> bool:
    """Whether an agent says in words that something cannot or will not be done."""
    return _DECLINES.search(text) is not None


# ---------------------------------------------------------------- a claim

_VERB = rf"(?P<verb>{'|'.join(sorted(EFFECTS, key=len, reverse=True))})\b"
_NOUN = rf"(?:{'|'.join(EFFECT_NOUNS)})"
_ADVERBS = r"(?:(?:just|now|also|already|both|then|successfully|gone ahead and|went ahead and|all|been able to)\s+)*"
_SAID_BY_ME = (
    re.compile(rf"\b(?:i|we)(?:'ve| have)?\s+{_ADVERBS}{_VERB}"),
    re.compile(
        rf"\b(?:i|we)(?:'ve| have)?\s+{_ADVERBS}(?:made|placed|processed|completed|finali[sz]ed|put through|set up)\s+"
        rf"(?:[\w'-]+\s+){{0,4}}?{_NOUN}\b"
    ),
)
_AS_A_STATE = (
    re.compile(rf"\b(?:has|have)\s+(?:(?:now|just|also|both|all)\s+)*been\s+(?:(?:successfully|fully|now)\s+)?{_VERB}"),
    re.compile(rf"\b(?:is|are|'s)\s+now\s+(?:(?:successfully|fully|officially)\s+)?{_VERB}"),
    re.compile(rf"\bsuccessfully\s+{_VERB}"),
    re.compile(rf"\b(?:you're|you are)\s+(?:now\s+|all\s+)?{_VERB}"),
    re.compile(rf"^(?:all\s+)?{_VERB}(?=\s*(?:[:,.!]|$)|\s+(?:and|as|for|it|you|your|on)\b)"),
    re.compile(
        rf"\b(?:your|the|this)\s+(?:[\w'-]+\s+){{0,3}}?{_NOUN}\s+(?:is|are|has been|have been)\s+(?:now\s+|all\s+)?"
        r"(?P<verb>confirmed|complete|completed|processed|finali[sz]ed)\b"
    ),
)
_FINISHED = r"(?:done|taken care of|sorted(?: out)?|settled|dealt with)"
_IN_GENERAL = (
    re.compile(r"^(?:all\s+)?done\b(?!\s+(?:with|by))"),
    re.compile(rf"\ball\s+{_FINISHED}\b"),
    re.compile(rf"\b(?:it|that|everything|this|all)(?:'s| is| has been| have been)\s+(?:now\s+|all\s+)?{_FINISHED}\b"),
    re.compile(
        rf"\b(?:i|we)(?:'ve| have)\s+{_ADVERBS}(?:completed|finished|{_FINISHED})\s+"
        r"(?:it|that|this|everything|all|your request)\b"
    ),
    re.compile(r"\b(?:you're|you are|everything is|everything's|it's|that's)?\s*(?:all set|good to go)\b"),
)
_NO_CLAIM = re.compile(
    r"\b(?:if|once|when|whenever|until|unless|whether|would|could|should|before|shall|as soon as|in case|will|to have|"
    r"not|never|no|nothing|none|neither|nobody|cannot|unable|without|like me to|want me to|let me know)\b|n't\b|\?"
)
_REPORT = re.compile(
    r"\b(?:afraid|sorry|unfortunately|already|see|sees|seen|shows?|showing|according|appears?|seems?|looks|records?|says|indicates?|found|listed|"
    r"which|who|because|since|after|previously|earlier|originally|currently|still|"
    r"that (?:has|have|had|is|are|was|were))\b|\bthat\s*$"
)
_BY_OTHERS = re.compile(
    r"\s*(?:\w+\s+){0,2}?by (?:the|our|your|another|someone|somebody)\b"
    r"|\s+(?:\w+\s+){0,3}?(?:already|earlier|before)\b|\s+(?:once|twice|\w+ times)\b"
)
_BREAK = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+|;\s+|\s+[—–]\s+")


class Claim(NamedTuple):
    """A claim of something done. `verb`: its participle, where it has one. `state`: worded as how things are now, so it
    may also quote what a look-up showed."""

    sentence: str
    verb: str
    state: bool
    general: bool


def claims(text: str) -> Iterator[Claim]:
    """The sentences of a message that claim a completed action, at most one claim each."""
    for sentence in _BREAK.split(text):
        plain = _plain(sentence).strip("*-•#> \"'")
        found = _claim(plain) if plain and not plain.endswith("?") else None
        if found is not None:
            yield found._replace(sentence=sentence.strip())


def _claim(plain: str) -> Claim | None:
    for patterns, state, general in (
        (_SAID_BY_ME, False, False),
        (_AS_A_STATE, True, False),
        (_IN_GENERAL, False, True),
    ):
        for pattern in patterns:
            for match in pattern.finditer(plain):
                before = plain[: match.start()]
                if _NO_CLAIM.search(before) or (state and _REPORT.search(before)):
                    continue
                if state and _BY_OTHERS.match(plain, match.end()):
                    continue
                verb = match.groupdict().get("verb") or ""
                return Claim(plain, "cancelled" if verb == "canceled" else verb, state, general)
    return None
