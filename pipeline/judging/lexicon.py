"""The words by which values and speech acts are recognised: data, without behaviour.

Kept in one place so that a reader can see at a glance what a criterion does and does not understand. English is whole;
other languages have month names only (digits of any script are read everywhere).
"""

from __future__ import annotations

# ---------------------------------------------------------------- values

_MONTHS = """
january jan januar januari janvier enero gennaio janeiro | february feb februar februari février fevrier febrero
febbraio fevereiro | march mar märz maerz maart mars marzo março marco | april apr avril abril aprile |
may mai mayo maggio maio mei | june jun juni juin junio giugno junho | july jul juli juillet julio luglio julho |
august aug août aout agosto augustus | september sept sep septembre septiembre settembre setembro |
october oct oktober okt octobre octubre ottobre outubro | november nov novembre noviembre novembro |
december dec dezember dez décembre decembre diciembre dicembre dezembro
"""
MONTHS: dict[str, int] = {name: i for i, names in enumerate(_MONTHS.split("|"), start=1) for name in names.split()}

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

UNITS: dict[str, int] = {
    word: n
    for n, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
TENS: dict[str, int] = {
    word: 10 * n for n, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2)
}
# "one" is mostly a pronoun: it is a number only where none of these stands before it, nor one of those after it.
ONE_AFTER = frozenset(
    "this that which the no any each another every new only first last next other some good right wrong same either "
    "cheapest earliest latest cheaper better best".split()
)
ONE_BEFORE = frozenset("of is was that which who i you we they he she it with can could would will should".split())

CURRENCY_SIGNS = "$€£¥₹฿₩₺₽₫₪₴₦"
CURRENCY_CODES = frozenset(
    "usd eur gbp jpy cny inr thb krw try rub chf sek nok dkk pln czk huf cad aud nzd brl mxn zar sgd hkd aed "
    "us ca au nz r rs kr zł s a c fr".split()
)
# What may follow a number without a space; anything else makes it part of a code ("12B").
SUFFIXES = CURRENCY_CODES | frozenset(
    "kg g mg km m cm mm mi ft lb lbs oz l ml h hr hrs min mins sec secs s x pts pt px gb mb nights days d w".split()
)

# ---------------------------------------------------------------- agreeing and declining

YES = (
    "yes", "yeah", "yep", "yup", "sure", "sure thing", "ok", "okay", "alright", "all right", "absolutely",
    "definitely", "certainly", "of course", "by all means", "correct", "that's right", "that's correct", "right",
    "exactly", "perfect", "great", "fine", "good", "lovely", "excellent", "wonderful", "brilliant", "agreed",
    "approved", "confirmed", "confirm", "i confirm", "please do", "do it", "do that", "go ahead", "go for it",
    "proceed", "please proceed", "sounds good", "sounds great", "sounds perfect", "sounds fine", "sounds right",
    "looks good", "looks right", "looks great", "that works", "works for me", "works", "that's fine", "that's good",
    "that's perfect", "that's great", "that is fine", "that is right", "that is correct", "that is good",
    "that will do", "that'll do", "let's do it", "let's do that", "let's go", "i agree", "i do", "i am sure",
    "i'm sure", "i'm happy with that", "happy with that", "you have my ok", "you have my okay", "you have my word",
    "make it so", "please go on", "please", "book it", "go on", "carry on", "aye", "affirmative", "indeed", "👍", "✅",
    "it is", "i would", "i'd like that", "please continue",
)  # fmt: skip
# So clear that they count wherever a sentence of a short message begins with them or says just them.
STRONG_YES = (
    "go ahead", "please proceed", "proceed", "i confirm", "i can confirm", "please do", "confirmed", "do it",
    "go for it", "let's do it", "let's do that", "you have my ok", "you have my okay", "please go on", "sounds good",
    "that works", "carry on", "please continue", "make it so", "by all means",
)  # fmt: skip
# Phrases that hold a "no" or a "but" and yet mean yes, or nothing.
NEUTRAL = (
    "no problem", "no worries", "no issue", "no issues", "no objection", "no objections", "no changes", "no change",
    "no need to", "nothing else", "not a problem", "why not", "i don't mind", "don't worry", "no further questions",
    "no questions", "no rush", "don't hesitate", "no doubt", "nothing but", "don't wait", "no concerns",
    "no hesitation", "don't need anything else", "no more questions", "not at all", "what are you waiting for",
    "no other", "actually yes", "yes actually", "all but", "can't wait",
)  # fmt: skip
NO = (
    "no", "nope", "nah", "not", "don't", "do not", "never", "wait", "hold on", "hang on", "stop", "cancel that",
    "instead", "rather", "actually", "but", "however", "except", "unless", "unsure", "second thought",
    "second thoughts", "hmm", "one moment", "before you do", "before that", "let me think", "changed my mind",
    "wrong", "incorrect", "isn't", "can't", "won't", "wasn't", "doesn't", "shouldn't", "wouldn't",
)  # fmt: skip

_NOT = r"(?:not|n[’']?t)"
DECLINES = (
    rf"\b(?:can ?not|can[’']?t|could ?{_NOT}|unable|(?:am|is|are|was|were|i[’']m|we[’']re) (?:not |un)able) ",
    rf"\b(?:will not|won[’']?t|must {_NOT}|mustn[’']?t|may not|(?:i|we)[’']ll not|shall not) ",
    r"\b(?:not|isn[’']?t|aren[’']?t|wasn[’']?t) (?:\w+ ){0,2}"
    r"(?:possible|permitted|allowed|available|eligible|authori[sz]ed|in a position|refundable|covered|valid)\b",
    r"\b(?:impossible|forbidden|prohibited|ineligible|against (?:\w+ ){0,2}(?:policy|policies|rules?))\b",
    r"\b(?:policy|policies|rules?|system|terms|fare|tools?) (?:\w+ ){0,4}"
    rf"(?:does{_NOT}|do{_NOT}|does {_NOT}|do {_NOT}|prevents?|prohibits?|forbids?|rules? (?:it|this|that) out)\b",
    r"\b(?:have to|need to|must) (?:decline|refuse|say no|turn (?:this|that|it|you) down)\b",
    r"\b(?:i (?:must )?(?:decline|refuse)|no way (?:for me )?to|outside (?:of )?what i|beyond what i)\b",
)

# ---------------------------------------------------------------- claiming to have done something

# Participles of effects, with the parts of tool names that would bring them about.
EFFECTS: dict[str, tuple[str, ...]] = {
    "booked": ("book", "reserv", "creat", "schedul", "add", "order", "buy", "purchas", "make", "place", "hold"),
    "reserved": ("reserv", "book", "creat", "hold", "add", "make"),
    "rebooked": ("book", "reserv", "chang", "mov", "modif", "updat", "reschedul"),
    "cancelled": ("cancel", "delet", "remov", "void", "refund", "releas", "drop", "end", "stop"),
    "canceled": ("cancel", "delet", "remov", "void", "refund", "releas", "drop", "end", "stop"),
    "sent": ("send", "mail", "messag", "notif", "email", "forward", "repl", "invit", "issu", "transfer", "pay"),
    "emailed": ("send", "mail", "messag", "notif", "forward", "repl"),
    "messaged": ("send", "mail", "messag", "notif"),
    "forwarded": ("forward", "send", "mail"),
    "replied": ("repl", "send", "mail", "messag"),
    "invited": ("invit", "add", "send", "creat", "updat"),
    "updated": ("updat", "chang", "modif", "edit", "set", "mov", "add", "reschedul", "renam", "adjust", "extend"),
    "changed": ("updat", "chang", "modif", "edit", "set", "mov", "reschedul", "extend", "swap", "upgrad", "rebook"),
    "modified": ("updat", "chang", "modif", "edit", "set", "mov", "reschedul", "extend"),
    "moved": ("mov", "reschedul", "chang", "updat", "modif", "rebook", "transfer"),
    "rescheduled": ("reschedul", "mov", "chang", "updat", "modif", "rebook"),
    "refunded": ("refund", "cancel", "credit", "return", "revers"),
    "credited": ("refund", "credit", "cancel", "add", "redeem", "adjust"),
    "paid": ("pay", "charg", "book", "settl", "purchas", "transfer"),
    "charged": ("pay", "charg", "book", "settl", "purchas", "extend", "schedul", "order"),
    "transferred": ("transfer", "mov", "pay", "send"),
    "scheduled": ("schedul", "book", "creat", "add", "arrang", "plan", "set"),
    "arranged": ("arrang", "book", "schedul", "creat", "add", "order"),
    "ordered": ("order", "buy", "purchas", "creat", "plac"),
    "purchased": ("buy", "purchas", "book", "order", "pay"),
    "bought": ("buy", "purchas", "book", "order", "pay"),
    "added": ("add", "creat", "book", "insert", "attach", "schedul", "updat", "set", "includ", "regist"),
    "created": ("creat", "add", "book", "schedul", "open", "make", "regist"),
    "removed": ("remov", "delet", "cancel", "drop", "updat"),
    "deleted": ("delet", "remov", "cancel"),
    "extended": ("extend", "renew", "prolong", "updat", "chang", "modif"),
    "renewed": ("renew", "extend"),
    "upgraded": ("upgrad", "chang", "updat", "modif"),
    "redeemed": ("redeem", "pay", "appl", "us"),
    "applied": ("appl", "redeem", "add", "set", "updat"),
    "issued": ("issu", "refund", "creat", "send"),
    "submitted": ("submit", "creat", "send", "file", "request", "open"),
    "filed": ("file", "submit", "creat", "open"),
    "registered": ("regist", "enrol", "creat", "add", "join"),
    "enrolled": ("enrol", "regist", "join", "add"),
    "waived": ("waiv", "refund", "adjust"),
}
# Nouns after "I've made/placed/processed/completed …" and before "… is confirmed/complete".
EFFECT_NOUNS = (
    "booking", "reservation", "cancellation", "payment", "refund", "order", "purchase", "change", "changes",
    "transfer", "appointment", "update", "request", "upgrade", "registration", "trip", "stay", "ticket", "tickets",
    "flight", "table",
)  # fmt: skip
