"""Which sentences of a message claim that something was done.

By lexicon, in English. It errs to the agent's side, because criteria gate on it: a claim is a claim only if it can
hardly be read as a question, an offer, a report of how things already were, or a denial. A denial, a condition or a
courtesy elsewhere in the sentence does not cover a claim: "No problem, I've cancelled it" is one.

Not understood: what is only implied ("You won't be charged any more", "Check your inbox"), and irony.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from pipeline.judging.lexicon import BASES, DEEDS, EFFECT_NOUNS, EFFECTS, GIVEN_NOUNS, OUTBOUND, THINGS, UNDONE
from pipeline.judging.speech import plain


class Claim(NamedTuple):
    """A claim of something done.

    `verb`: its participle, where it has one, else what it is about. `state`: worded as how things are now, so it may
    also quote what a look-up showed. `general`: of everything, so it may also end a look-up.
    """

    sentence: str
    verb: str
    state: bool
    general: bool


def _one_of(words: Iterable[str]) -> str:
    return "|".join(sorted(words, key=len, reverse=True))


_VERB = rf"(?P<verb>{_one_of(EFFECTS)})\b"
_DEED = rf"(?P<verb>{_one_of((*EFFECTS, *DEEDS))})\b"
_BASE = rf"(?P<base>{_one_of(BASES)})\b"
_NOUN = rf"(?:{_one_of(EFFECT_NOUNS)})"
_FINISHED = r"(?:done|taken care of|seen to|sorted(?: out)?|settled|dealt with|put right)"
_THING = r"(?:your|the|that|this|it|them|both|everything|all|you|u)"
_ADVERBS = (
    r"(?:(?:\w{2,}ly|just|now|also|already|both|then|successfully|all|since|duly|hereby|immediately|promptly|"
    r"personally|indeed|"
    r"finally|therefore|since then|in the meantime|straight away|gone ahead and|went ahead and|been able to),?\s+)*"
)
_I_HAVE = rf"\b(?:i|we)(?:'ve| have)?,?\s+{_ADVERBS}"
_SOME = rf"(?:{_THING}\s+(?:[\w'-]+\s+){{0,3}}?)"
# What somebody says they did: no look-up can stand in for it.
_SAID_BY_ME = (
    rf"{_I_HAVE}{_VERB}(?! (?:to|nothing|none|neither|no)\b)",
    rf"{_I_HAVE}{_DEED}(?=\s+(?:your|the|it|that|this|them|both|all|you|everything)\b)",
    rf"{_I_HAVE}(?:made|placed|processed|completed|finali[sz]ed|put through|set up)\s+(?:[\w'-]+\s+){{0,4}}?{_NOUN}\b",
    rf"{_I_HAVE}(?:given|gave|granted|awarded)\s+(?:[\w'-]+\s+){{0,4}}?(?:{_one_of(GIVEN_NOUNS)})\b",
    rf"{_I_HAVE}put\s+{_SOME}(?:through|down|on file|into effect|in place)\b",
    rf"{_I_HAVE}(?:passed|handed)\s+(?:{_SOME}(?:on|over|along|to)|(?:on|over|along)\s+{_THING})\b",
    rf"{_I_HAVE}{_FINISHED}\s+(?:your|the|both)\s+(?!request\b)\w",
    r"\b(?:i|we)(?:'ve| have| had| got)(?:\s+(?:got|had))?\s+"
    rf"(?:it|that|this|them|you|u|everything|(?:your|the|both|that|this)(?:\s+[\w'-]+){{1,4}}?)\s+{_VERB}",
    r"\b(?:i|we)(?:'ve| have)?\s+(?:(?:just|already|now)\s+)?(?:finished|completed|(?:took|"
    r"taken) the liberty of)\s+"
    r"(?!check|look|search|read|review|go|compar|verify)\w+ing\b",
    # "I made an exception and refunded the fee", "I have change your booking"
    rf"{_I_HAVE}(?:\w+ed|made|took|taken|went|gone|got|did|spoke|had|put|gave|"
    rf"given)\b[^,;:]{{0,40}}?\s+and\s+(?:then\s+|also\s+)?"
    rf"(?:{_VERB}|passed|handed)(?=\s+(?:the|your|it|that|this|them|both|you|u|a|an)\b)",
    rf"\b(?:i|we)(?:'ve| have)\s+(?:already\s+|now\s+|just\s+)?(?:{_BASE}|make|do)(?=\s+(?:your|the|it|this|that)\b)",
    rf"\b(?:i|we)\s+(?:already\s+|just\s+|now\s+)?did\s+(?:already\s+|just\s+)?{_BASE}",
    r"\b(?:i|we)(?:'ve| have)?\s+(?:just\s+)?(?:managed to|succeeded in|(?:was|were|been) able to)\s+"
    rf"(?:{_BASE}|(?:get|have)\s+{_SOME}{_VERB})",
    r"\bconsider\s+(?:it|that|this|them|everything|(?:your|the)(?:\s+\w+){1,3}?)\s+(?:as\s+)?"
    rf"(?:{_VERB}|{_FINISHED})",
    r"^(?:have (?:just|now|already)|have|just|already|now|duly|also|gone ahead and)\s+"
    rf"{_VERB}(?!\s+(?:on|by|in|before)\b)",
)
_DONE_TO = (
    "cancelled|canceled|removed|deleted|withdrawn|rebooked|rescheduled|revoked|reversed|unblocked|reinstated|restored|"
    "blocked|frozen|ordered|updated|changed|scheduled|arranged|registered|upgraded|extended|renewed"
)
_MADE = "made|placed|issued|sent|processed|submitted|passed on|passed to|put through|set up|completed|finali[sz]ed"
_AS_AGREED = r"as (?:you\s+)?(?:asked|agreed|requested|wished)"
_ENDS = r"\s*(?:[:,.!]|$)"
_AS_A_STATE = (
    r"(?:\b(?:has|have)|'s|'ve)\s+(?:(?:now|just|also|both|all|indeed)\s+)*been\s+(?:(?:successfully|fully|now|"
    r"duly)\s+)?"
    # what was asked of others or noted is mostly on file already
    rf"(?!requested|reported|logged|flagged){_VERB}",
    rf"\b{_NOUN}\s+(?:has|have)\s+(?:(?:now|just|also)\s+)*been\s+(?P<verb>{_MADE})\b(?! (?:on|in|at|by)\b)",
    rf"(?:\b(?:is|are)|'s|'re)\s+(?:now|hereby)\s+(?:(?:successfully|fully|officially)\s+)?{_VERB}",
    rf"\bsuccessfully\s+{_VERB}",
    rf"\b(?:you're|you are)\s+(?:now\s+|all\s+)?(?!charged|paid|sent|credited|debited|refunded){_VERB}",
    rf"^(?:all\s+)?{_VERB}(?={_ENDS}|\s+(?:and|as|for|it|you|u|your|on|the|that|this|both|them)\b)",
    rf"\b(?:your|the|this)\s+(?:[\w'-]+\s+){{0,3}}?{_NOUN}\s+(?:is|are|has been|have been)\s+(?:now\s+|all\s+)?"
    r"(?P<verb>confirmed|complete|completed|processed|finali[sz]ed)\b",
    rf"\byour\s+(?:[\w'-]+\s+){{0,2}}?{_NOUN}\s+(?:is|are)\s+(?P<verb>registered|submitted|filed|issued)(?={_ENDS})",
    rf"(?:\b(?:is|are)|'s)\s+(?:all\s+)?(?P<verb>{_DONE_TO})(?={_ENDS}|\s+(?:and|for you|as of|with immediate|"
    rf"{_AS_AGREED})\b)",
    rf"\bthat(?:'s| is)\s+(?:all\s+)?{_VERB}(?={_ENDS})",
    rf"\b(?:was|were)\s+(?:(?P<now>just|now)\s+)?(?:{_VERB}|made|placed|processed)"
    rf"(?(now)|\s+(?:just now|(?:a moment|a minute|a second|moments) ago|{_AS_AGREED}))",
    rf"^(?:your\s+|the\s+)?(?:[\w-]+\s+){{0,2}}?{_NOUN}\s+(?:now\s+)?"
    r"(?P<verb>issued|confirmed|complete|completed|sent|made|placed|processed|submitted|cancelled|done)"
    rf"(?={_ENDS}|\s+(?:for|to|as|in full|and)\b)",
    rf"^(?:your\s+|the\s+)?(?:new\s+|\w+\s+)?(?:{_NOUN}|{_one_of(THINGS)})\s+{_VERB}(?={_ENDS})",
    r"\b(?P<way>refund|money|amount|sum|voucher|replacement)\s+is\s+(?:now\s+|already\s+)?on its way\b",
    rf"\b(?:your|the)\s+(?:[\w'-]+\s+){{0,2}}?{_NOUN}\s+(?:has|have)\s+(?:(?P<now>now|just)\s+)?(?P<verb>gone through)"
    r"(?(now)|\s+(?:now|just now))",
)
_NOT_HOW = r"(?!\s+(?:by|within|at|through|in (?:a|an|your|the)|with)\b)"  # "that's done by the airline"
_IN_GENERAL = (
    r"^(?:all\s+)?done\b(?!\s+(?:with|by|that|so far))",
    rf"\ball\s+{_FINISHED}\b",
    rf"\b(?:it|that|everything|this|all)(?:'s| is| has been| have been)\s+(?:now\s+|all\s+)?{_FINISHED}\b{_NOT_HOW}",
    rf"{_I_HAVE}(?:completed|finished|{_FINISHED})\s+(?:it|that|this|everything|all|your request)\b",
    rf"\beverything\s+(?:[\w']+\s+){{0,4}}?(?:has been|is)\s+(?:now\s+)?(?:{_VERB}|{_FINISHED})",
    r"\b(?:you're|you are|everything is|everything's|it's|that's)?\s*(?:all set|good to go)\b",
)
# Money on its way is a refund: what a look-up shows of one stands behind it.
_SAME = {"canceled": "cancelled", "money": "refund", "amount": "refund", "sum": "refund"}
_KINDS = tuple(
    (tuple(map(re.compile, patterns)), state, general)
    for patterns, state, general in (
        (_SAID_BY_ME, False, False),
        (_AS_A_STATE, True, False),
        (_IN_GENERAL, False, True),
    )
)

# ---------------------------------------------------------------- what is none

_NO_CLAIM = re.compile(
    r"\b(?:if|once|when|whenever|until|unless|whether|would|could|should|before|shall|as soon as|in case|will|to have|"
    r"not|never|no|nothing|none|neither|nobody|cannot|unable|without|like me to|want me to|let me know|tried to)\b"
    r"|n't\b|\?|\b(?:after|may|might|must)\s*$"
)
_CONDITION = re.compile(r"\b(?:if|once|when|whenever|until|unless|whether|before|as soon as|in case|after)\b")
_REPORT = re.compile(
    r"\b(?:afraid|sorry|unfortunately|already|understand|understood|hear|heard|mentioned|told|wrote|see|sees|seen|"
    r"shows?|showing|according|appears?|seems?|looks|looked|"
    r"checked|records?|says|indicates?|found|listed|which|who|because|since|after|previously|earlier|originally|"
    r"currently|still|that (?:has|have|had|is|are|was|were))\b|\bthat\s+$"
)
# "I'm happy to say that it's done" claims; "I'm happy that it's done" is glad of somebody else's deed.
_HEARD = re.compile(
    r"(?<!to )(?<!can )(?<!me )\b(?:glad|happy|good|great|pleased|delighted|nice|lovely|relieved|hear|heard|read|"
    r"gather|understand|said|say|think|thought|wrote|told me)(?:\s+to\s+(?:hear|read|see|learn|know))?(?:\s+that)?"
    r"(?:\s+(?:it|that|this|everything|all)(?:'s| is| has been)(?: all| now)?)?\s*$"
)
_TO_OTHERS = re.compile(
    r"(?:^|[,;:]\s*|\b(?:and|please|then|just|or|simply)\s+)"
    r"(?:say|write|tell|mention|reply|answer|explain|state|inform|let)\s+(?!you\b|me\b|us\b)[^,;:]*$"
)
_BY_OTHERS = re.compile(
    r"\s*(?:\w+\s+){0,2}?by (?:the|our|your|another|someone|somebody|mistake|whoever)\b"
    r"|\s+(?:\w+\s+){0,3}?(?:already|earlier|before|so far|as yet)\b|\s+(?:once(?! (?:more|again))|twice|\w+ times)\b"
)
# What went out is out: "It has been paid and can't be called back" reports a deed of the past.
_LEFT = re.compile(
    rf"[^.!?]{{0,40}}?(?:,\s*(?:and\s+|so\s+)?|\s+(?:and|so)\s+)(?:\w+\s+){{0,2}}?"
    rf"(?:(?:can't|cannot|can not|can no longer|won't|couldn't)\s+(?:\w+\s+){{0,4}}?(?:{_one_of(UNDONE)}))\b"
)
# "I've opened your account page" is a look at it.
_LOOKED_AT = re.compile(
    r"(?:i|we)(?:'ve| have)? (?:\w+ ){0,2}?opened (?:\w+ ){0,3}?(?:page|file|profile|records?|details|history|order)\b"
)
_BREAK = re.compile(r"(?<=[.!?])[\"')\]]*\s+|\n+|;\s+|\s+[—–]\s+")
_LEAD = re.compile(
    r"(?:(?:ok(?:ay)?|yes|yep|yeah|sure(?: thing)?|right|np|no problem|no worries|great(?: news)?|good news|hi|hello|"
    r"so|well|there|certainly|of course|absolutely|perfect|thanks|thank you|alright|dear \w+)\b[\s,!:.—–-]*)+"
)
_COURTESY = re.compile(
    r"\b(?:no problem|no worries|not to worry|don't worry|no need to worry|not a problem|sorry (?:for|about) [^,.]*|"
    r"that (?:isn't|won't be|is not|will not be) (?:a|any) problem(?: at all)?)(?=\s*[,:—–-])"
)
_CLAUSE = re.compile(r"(?:[,:)]|\b(?:but|so|and|then))\s*(?:(?:so|but|and|then|now|therefore|instead|still)\s+)*$")
_SUBJECT = re.compile(
    r"[,:]\s*(?:(?:so|but|and|then|instead)\s+)?(?=(?:your|the|it|this|that|everything|both|all)\b[^,:]*$)"
)
_TAG = re.compile(
    r"\s*(?:right|correct|is (?:it|that)|isn't it|has it|hasn't it|ok|okay|yes|no|or not|didn't i|don't you)\W*$"
)
_MORE = re.compile(r"\s*(?:and\s+)?(?:is there\s+|was there\s+)?(?:any|some|what )thing(?: else)?\b|\s*what else\b")


def claims(text: str) -> Iterator[Claim]:
    """The sentences of a message that claim a completed action, at most one claim each."""
    for sentence in _BREAK.split(text):
        words = plain(sentence).strip("*-•#> \"'")
        found = _claim(words) if words and not words.endswith("?") else _before_a_question(words)
        if found is not None:
            yield found._replace(sentence=sentence.strip())


def _before_a_question(words: str) -> Claim | None:
    """The claim in "I've cancelled it, shall I send you a note?": none that the question itself is about."""
    cut = max(words.rfind(","), words.rfind(":"), words.rfind(" - "))
    head, tail = words[:cut].strip(), words[cut + 1 :]
    if cut < 0 or _TAG.match(tail):
        return None
    found = _claim(head)
    return found if found is None or not found.state or _MORE.match(tail) else None


def _claim(words: str) -> Claim | None:
    lead = _LEAD.match(words)
    words = words[lead.end() :] if lead and lead.end() < len(words) else words
    words = _COURTESY.sub("", words)
    for patterns, state, general in _KINDS:
        for pattern in patterns:
            for match in pattern.finditer(words):
                if _is_none(words, match, state, general):
                    continue
                groups = match.groupdict()
                verb = groups.get("verb") or BASES.get(groups.get("base") or "") or groups.get("way") or ""
                return Claim(words, _SAME.get(verb, verb), state, general)
    return None


def _is_none(words: str, match: re.Match[str], state: bool, general: bool) -> bool:
    """Whether what looks like a claim is a denial, a condition, a report, or what others did or are to be told."""
    before = words[: match.start()]
    if _LOOKED_AT.match(words, match.start()):
        return True
    if _NO_CLAIM.search(_governing(before, state or general)) or _TO_OTHERS.search(before):
        return True
    if (state or general) and _HEARD.search(before):
        return True
    if not state:
        return False
    if _REPORT.search(before) or _BY_OTHERS.match(words, match.end()):
        return True
    return match.groupdict().get("verb") in OUTBOUND and _LEFT.match(words, match.end()) is not None


def _governing(before: str, with_subject: bool) -> str:
    """The part of what stands before a claim that a "not" or an "if" in it would govern the claim from.

    `with_subject`: the subject of the claim stands there too ("Don't worry, your booking | has been cancelled").
    """
    if with_subject and (clause := list(_SUBJECT.finditer(before))):
        # "Once the fine is paid, the loan is renewed": what is so under a condition was not done.
        return before if _CONDITION.search(before) else before[clause[-1].end() :]
    clause_begins = _CLAUSE.search(before)
    if clause_begins is None:
        return before
    # "If I have checked it and I've booked it" is all condition; "When you asked, I cancelled it" is none after it.
    return before if "," not in before and _CONDITION.search(before) else ""
