"""What an utterance does: a yes to a proposal, a question for somebody's word, a refusal.

By lexicon, in English; what claims a deed is found in `claims`. It errs to the agent's side, because criteria gate on
it: a yes is a yes unless something is held against it, and whoever says what they cannot do has refused. What is typed
in haste ("cant", "pls", no capitals) or by somebody whose English is not their first counts as what it stands for.

Not understood: irony, a yes or a no in another language, a refusal that only gives a reason without saying sorry.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.judging.compare import fold
from pipeline.judging.lexicon import (
    BASES,
    FILLERS,
    GO,
    NEUTRAL,
    NO,
    NO_FIRST,
    PATIENCE,
    UNDECIDED,
    WEAK_YES,
    YES,
)
from pipeline.judging.phrases import ASKS, COURTESY_QUESTIONS, DECLINES, NEUTRAL_NO, NOT_FOUND, PROPOSALS, WARNINGS


def _any(phrases: Iterable[str], tail: str = r"(?!\w)") -> str:
    return "(?:" + "|".join(re.escape(p) for p in sorted(phrases, key=len, reverse=True)) + ")" + tail


_HASTE = re.compile(
    r"\b(?:(?P<negated>ca|do|wo|is|are|was|were|does|did|have|has|could|would|should)nt"
    r"|(?P<subject>i|you|they)(?P<verb>ve|m|re)|(?P<pronoun>that|there|what)s|(?P<you>u)|(?P<your>ur)"
    r"|(?P<please>pls|plz|plese)|(?P<thanks>thx|tnx|ty)|(?P<yes>ye+s{2,}|ya|yees+))\b"
)
_SPELLED = {"you": "you", "your": "your", "please": "please", "thanks": "thanks", "yes": "yes"}


def plain(text: str) -> str:
    """Folded, with one kind of apostrophe, and what is typed in haste ("cant", "ive", "u", "pls") as it is spelled."""
    return _HASTE.sub(_spelled, fold(text).replace("’", "'").replace("´", "'").replace(" & ", " and "))


def _spelled(m: re.Match[str]) -> str:
    if m["negated"]:
        return f"{m['negated']}n't"
    if m["subject"]:
        return f"{m['subject']}'{m['verb']}"
    return f"{m['pronoun']}'s" if m["pronoun"] else _SPELLED[str(m.lastgroup)]


# ---------------------------------------------------------------- a yes

_SENTENCE = re.compile(r"([^.!?;\n]*)([.!?;\n]+|$)")
_CLAUSE = re.compile(r"\s*(?:[,:]|—|–|\s-\s)\s*")
_NEUTRAL = re.compile(r"(?<!\w)(?:" + "|".join(re.escape(p).replace(r"\ ", r",? ") for p in NEUTRAL) + r")(?!\w)")
_YES = re.compile(_any(YES))
_LEADING_YES = re.compile(r"\W*(?:oh |well |hmm )?(?:yes|yeah|yep|yup|y)\b(?!\s*\?)")
_GO = re.compile(r"(?<!\w)" + _any(GO))
_WEAK = re.compile(_any((*WEAK_YES, *FILLERS)) + r"(?:\s+" + _any(FILLERS) + r")*\W*")
_WEAK_CORE = re.compile(r"(?<!\w)" + _any(WEAK_YES))
_NO = re.compile(r"(?<!\w)" + _any(NO) + r"|(?<!\w)no(?=\s*(?:[,.!;:—–-]|$))|^(?:oh |um |uh |well |sorry )?no\b")
_NO_FIRST = re.compile(_any(NO_FIRST) + r"|cancel that$")
_UNDECIDED = re.compile(r"(?<!\w)" + _any(UNDECIDED))
_GOOD = (
    r"(?:correct|right|fine|perfect(?:ly)?|good|great|ok|okay|alright|lovely|wonderful(?:ly)?|excellent|brilliant|"
    r"ideal|"
    r"splendid|nicely|acceptable|agreed|agreeable|fair|reasonable|super|cool|in order|approved|"
    r"what i (?:want|need|meant|wanted|asked for))"
)
_THAT_IS_RIGHT = re.compile(
    r"(?:(?:that|it|this|everything|all(?: of it)?)(?:'s| is| looks| sounds| seems| works|'d be| would be| will be|"
    r"'ll be|"
    r" will do)|sounds|looks|works|seems)"
    rf"(?: (?:all|exactly|just|quite|perfectly|absolutely|totally|really|very))?(?: {_GOOD})+"
    r"(?: (?:with|by|for|to) (?:me|us))?(?: (?:thanks|thank you|then|please))*\W*"
)
_CONSENTS = re.compile(
    r"i(?:'m| am|'d be| would be) (?:good|happy|fine|ok|okay|comfortable|alright|content|in agreement)"
    r"(?: with (?:it|that|this|everything|the \w+)| to go(?: ahead)?| to proceed|\W*$)"
    r"|i (?:(?:hereby|fully|do|also) )?(?:approve|confirm|consent|authori[sz]e|agree|accept)\b(?! (?:that|only|if)\b)"
    r"|i(?:'d| would) love (?:that|it)\b"
    r"|(?:i )?(?:give|grant) (?:you )?my (?:\w+ )?(?:permission|consent|approval|okay|ok|agreement|word)\b"
    r"|(?:permission|consent|approval) (?:is )?(?:granted|given)\b"
    r"|(?:this|that|consider (?:this|that|it)|take (?:this|that) as)(?: is)? (?:my|a) (?:\w+ )?"
    r"(?:confirmation|consent|approval|yes)\b"
    r"|i(?:'d| would)? (?:like|want) you to (?:go ahead|proceed|do (?:it|that|so))\b"
)
_DOING = (
    r"book|order|send|pay|take|submit|add|renew|extend|make|finali[sz]e|complete|process|carry out|go through with|"
    r"apply|"
    r"action|execute"
)
_ORDER = re.compile(
    rf"(?:(?:please|just|kindly|then)\s+)*(?:{_DOING})\s+(?:it|them|both|that|this|(?:this|that) one|the (?:change|"
    rf"booking))"
    r"(?:\s+(?:please|then|now|for me|thanks))*\W*$"
)
# "Yes, what's the total though?" has heard the question and asks one back.
_ASKS_BACK = re.compile(
    r"\W*(?:yes|yeah|yep),? (?:and |but |so )?(?:what|how (?:much|come)|why|is (?:there|it)|does it)\b[^.!?]*\?"
)
MAX_YES_WORDS = 60


def confirms(text: str) -> bool:
    """Whether an utterance is a clear yes to what was just proposed: a yes somewhere, and neither a no nor a "but"."""
    said = plain(text.replace("\n", ". "))
    if len(said.split()) > MAX_YES_WORDS or _UNDECIDED.search(said):
        return False
    if _NEUTRAL.search(said):
        said = _NEUTRAL.sub("ok" if _NEUTRAL.fullmatch(said.strip(" .!")) else "", said)
    yes, weak_only, weak = bool(_LEADING_YES.match(said)) and not _ASKS_BACK.match(said), True, False
    for sentence, end in _SENTENCE.findall(said):
        question = "?" in end
        for part in _CLAUSE.split(sentence.strip()):
            clause = re.sub(r"^(?:and|oh|well|so|then)\s+", "", part.strip(" \"'"))
            if not clause:
                continue
            if _NO.search(clause) or _NO_FIRST.match(clause):
                return False
            if not question and any(
                (
                    _YES.match(clause),
                    _GO.search(clause),
                    _ORDER.match(clause),
                    _CONSENTS.match(clause),
                    _THAT_IS_RIGHT.fullmatch(clause),
                )
            ):
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
    clauses = [part.strip() for part in re.split(r"[^\w'’👍✅ ]+|\band\b", plain(text))]
    return any(clauses) and all(_COURTESY.sub("", clause) == "" for clause in clauses)


# ---------------------------------------------------------------- a question for somebody's word

_ASKS = re.compile("|".join(ASKS))
_OFFER = re.compile(rf"\b(?:i|we)(?:'d| can| could| would)(?: also| then| still)? (?:{'|'.join(BASES)})\b")
_STOP = re.compile(r"(?<=[.?!;\n])")
_COURTESY_QUESTION = re.compile("|".join(COURTESY_QUESTIONS))


def asks(text: str) -> bool:
    """Whether an agent's message waits for the user's word: a question, or words that ask for it.

    "Anything else?" at the end of a report waits for nothing; at the end of an offer it does.
    """
    said = plain(text).replace("？", "?")
    left = _without_courtesies(said)
    return _ASKS.search(left) is not None or (left != said and _OFFER.search(left) is not None)


def _without_courtesies(said: str) -> str:
    """A message without its "anything else?". Clause by clause: in a long text a pattern may not look back far."""
    left = []
    for sentence in _STOP.split(said):
        if courtesy := _COURTESY_QUESTION.search(sentence):
            sentence = sentence[: max(sentence.rfind(",", 0, courtesy.start()), 0)]
        left.append(sentence)
    return " ".join(left)


# ---------------------------------------------------------------- a refusal

_DECLINES = re.compile("|".join(DECLINES))
_NEUTRAL_NO = re.compile("|".join(NEUTRAL_NO))
_WARNING, _PROPOSAL, _NOT_FOUND = re.compile("|".join(WARNINGS)), re.compile(PROPOSALS), re.compile(NOT_FOUND)


def declines(text: str) -> bool:
    """Whether an agent says in words that something cannot or will not be done."""
    said = _NEUTRAL_NO.sub(" ", plain(text))
    if asks(text):  # what a proposal warns of ("this cannot be undone, shall I?") and what was not found refuse nothing
        said = _NOT_FOUND.sub(" ", said)
        said = _WARNING.sub(" ", said) if _PROPOSAL.search(said) else said
    return _DECLINES.search(said) is not None
