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
_ORDINALS = (
    "zeroth first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
)
ORDINALS: dict[str, int] = {
    **{word: n for n, word in enumerate(_ORDINALS.split()) if n},
    **{f"twenty-{word}": 20 + n for n, word in enumerate(_ORDINALS.split()[:10]) if n},
    "thirtieth": 30,
    "thirty-first": 31,
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
# Names of currencies as they follow an amount, and of their hundredths.
MAJOR_UNITS = (
    "pounds?|quid|euros?|dollars?|bucks|francs?|kronor|kroner|krone|rupees?|rand|reais|pesos?|zloty|złoty|lira|"
    "eur|usd|gbp|chf"
)
MINOR_UNITS = "cents?|pence|pennies|penny|centimes?|öre|øre|p|c|ct|minor units"
# What may follow a number without a space; anything else makes it part of a code ("12B").
SUFFIXES = CURRENCY_CODES | frozenset(
    "p ct kg g mg km m cm mm mi ft lb lbs oz l ml h hr hrs min mins sec secs s x pts pt px gb mb nights days "
    "d w".split()
)

# ---------------------------------------------------------------- agreeing and declining

# A clear yes wherever a clause begins with it.
YES = (
    "yes", "yeah", "yea", "yep", "yup", "aye", "affirmative", "absolutely", "definitely", "certainly", "of course",
    "sure", "ok", "okay", "alright", "all right", "confirmed", "approved", "agreed", "indeed", "correct", "exactly",
    "i confirm", "i hereby confirm", "i can confirm", "i agree", "that's correct", "that is correct", "that's right",
    "that is right", "that's fine", "that is fine", "that works", "works for me", "sounds good", "sounds great",
    "sounds perfect", "sounds fine", "sounds right", "sounds lovely", "looks good", "looks right", "looks great",
    "by all means", "you have my", "happy with that", "i'm happy with that", "i'd like that", "fine by me",
    "fine with me", "please do", "book it", "go on", "👍", "✅", "y", "okey", "okie", "k", "precisely", "accepted",
    "i accept", "that's okay", "that is okay", "that's ok", "that is ok", "that's alright", "it's ok for", "is ok for",
    "is fine for me", "it's fine", "it is fine", "i'm fine with", "i am fine with", "i'm ok with", "i am ok with",
    "i'm okay with", "i'm happy with", "i am happy with", "i'm happy to go", "i'm happy to proceed",
    "happy to proceed",
    "that would be great", "that would be lovely", "that would be perfect", "that would be good",
    "that'd be great", "that'd be lovely", "that'd be perfect", "that'd be good", "that would be fine",
    "it all looks", "looks fine", "it's a deal", "sounds like a plan", "i see no reason not", "with pleasure", "do so",
    "do that", "please do so", "please do that", "exactly that", "i would be grateful if you did",
    "i'd be grateful if you did", "i'd appreciate that", "i would appreciate that", "please kindly do",
    "that is approved",
    "that's approved", "you've got my", "you got my", "alrighty", "for sure",
)  # fmt: skip
# A clear yes wherever it is said.
GO = (
    "yes", "yeah", "yep", "yup", "go ahead", "go right ahead", "go straight ahead", "please proceed", "proceed",
    "go for it", "please do", "do it",
    "let's do it", "let's do that", "make it so", "make it happen", "carry on", "please continue", "please go on",
    "you have my confirmation", "you have my ok", "you have my okay", "i confirm", "confirmed", "sounds good",
    "by all means", "please execute", "you may go ahead", "you may proceed", "you can go ahead", "kindly proceed",
    "go on then", "do the needful", "let's go with that", "let's go for it", "that sounds good",
)  # fmt: skip
# Yes only where nothing else of substance is said: "Great, and now the hotel" is no answer to a proposal.
WEAK_YES = (
    "perfect", "great", "fine", "good", "lovely", "excellent", "wonderful", "brilliant", "right", "works", "super",
    "it is", "i would", "i do", "i am", "please", "that's good", "that's perfect", "that's great", "that's it",
    "that is good", "that is perfect", "that will do", "that'll do", "i'm sure", "i am sure", "that's the one", "go",
    "all good", "deal", "done deal", "cool", "nice", "awesome", "amazing", "terrific", "superb", "fantastic",
    "sweet", "confirm", "totally", "suits me", "that suits me", "that suits me well", "i'd appreciate it",
    "i would like that",
)  # fmt: skip
FILLERS = ("thanks", "thank you", "thank you very much", "many thanks", "cheers", "please", "then", "thx", "ta")
# Said while somebody is at work: it raises nothing new, and takes nothing back.
PATIENCE = (
    "take your time", "no hurry", "no rush", "no problem", "no worries", "not a problem", "i'll wait", "i will wait",
    "i can wait", "i'm here", "whenever you're ready", "whenever you are ready", "i appreciate it", "much appreciated",
    "thank you so much", "thanks so much", "thanks a lot", "that's kind", "that is kind", "understood", "i see",
    "got it", "noted", "makes sense", "very well", "very good", "will do", "that's kind of you",
)  # fmt: skip
# Phrases that hold a "no" or a "but" and yet mean yes, or nothing.
NEUTRAL = (
    "no problem", "no worries", "no issue", "no issues", "no objection", "no objections", "no need to", "nothing else",
    "not a problem", "why not", "i don't mind", "don't worry", "no rush", "don't hesitate", "no doubt", "nothing but",
    "don't wait", "no concerns", "not at all", "all but", "can't wait", "actually yes", "yes actually",
    "don't need anything else", "no further questions", "no more questions", "no questions", "no changes",
    "no more changes", "no further changes", "no change", "no other changes", "i'm not in a hurry", "not in a hurry",
    "if it's not too much trouble", "if it isn't too much trouble", "i don't see why not", "i do not see why not",
    "can't see why not", "i see no reason not to", "can't argue with that", "can't complain", "not bad",
    "nothing to add",
    "but thank you", "but thanks", "it can't be undone", "it cannot be undone", "can't be reversed", "not refundable",
    "isn't refundable", "non-refundable", "it is not refundable", "i have nothing against it", "nothing against it",
    "not a thing more", "no complaints", "no concern", "no hesitation", "not an issue", "isn't a problem",
    "do not mind",
    "isn't an issue", "is not a problem", "no trouble", "don't forget", "do not forget",
)  # fmt: skip
# A no wherever it is said, and where it begins a clause.
NO = (
    "nope", "nah", "not", "don't", "do not", "never", "instead", "but", "however", "except", "unless", "unsure",
    "second thought", "second thoughts", "changed my mind", "before you do", "isn't", "can't", "won't", "doesn't",
    "shouldn't", "wouldn't", "i'd rather", "would rather",
)  # fmt: skip
NO_FIRST = (
    "wait", "hold on", "hang on", "stop", "hmm", "one moment", "let me think", "actually", "wrong", "incorrect",
    "only if", "leave it", "never mind", "forget it", "scrap that",
)  # fmt: skip
# Said by who has not made up their mind: no yes beside it counts.
UNDECIDED = (
    "let me think", "let me check", "let me ask", "let me talk", "let me see", "i'll think", "i will think",
    "think about it", "think it over", "get back to you", "sleep on it", "maybe", "perhaps", "depends", "tell me more",
    "i'll check with", "i will check with", "ask my", "check with my", "talk to my", "i'll confirm later",
    "i don't know",
    "tell me about", "first i'd like", "price first", "fee first", "know first", "see first", "like to know",
    "want to know",
    "need to know", "only if", "if it's free", "problem is", "sure enough", "let's see", "let's wait", "let's not",
    "let's hold", "let's leave",
)  # fmt: skip
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
    # Done in many ways: what tools bring them about is not told by their names.
    **dict.fromkeys(
        "closed opened reopened blocked unblocked frozen unfrozen locked unlocked activated deactivated reactivated "
        "suspended resumed withdrawn raised lowered increased reduced approved replaced exchanged swapped corrected "
        "amended altered adjusted edited reversed stopped ended terminated escalated requested flagged reset restored "
        "reinstated revoked restarted enabled disabled switched turned connected disconnected linked unlinked "
        "redirected rerouted postponed granted awarded subscribed unsubscribed released merged reported logged saved "
        "fixed reimbursed compensated notified contacted finalised finalized repaired dropped lifted topped halved "
        "doubled reissued assigned".split(),
        (),
    ),
    "set up": (),
    "put in place": (),
}
# Deeds where somebody says that they did them; as a state ("it has been delivered") they are mostly reports.
DEEDS: tuple[str, ...] = (
    "brought forward", "pushed back", "put off", "rolled back", "topped up", "called off",
    *"repaid deducted debited deposited wired lent voided annulled rescinded retracted rectified resolved secured "
    "allocated ported downgraded shortened deferred shifted relocated erased wiped dispatched shipped delivered "
    "initiated authorised authorized cleared organised organized processed executed implemented alerted texted "
    "attached posted printed recorded launched triggered settled signed".split(),
)  # fmt: skip
_IRREGULAR = {
    "sent": "send", "paid": "pay", "bought": "buy", "frozen": "freeze", "unfrozen": "unfreeze", "reset": "reset",
    "withdrawn": "withdraw", "replied": "reply", "cancelled": "cancel", "transferred": "transfer",
}  # fmt: skip
# Infinitive → participle, for "I managed to cancel it". Those in -ed lack one letter or two; nonsense does no harm.
BASES: dict[str, str] = {
    base: word
    for word in (*EFFECTS, *DEEDS)
    for base in ([_IRREGULAR[word]] if word in _IRREGULAR else [word[:-1], word[:-2], word[:-3]])
    if len(base) > 2 and " " not in word
}
# Participles of what leaves the house, and what cannot be done about it any more.
OUTBOUND = (
    "made", "placed", "processed", "paid", "sent", "transferred", "charged", "issued", "ordered", "submitted",
    "emailed", "forwarded", "filed",
)  # fmt: skip
UNDONE = (
    "called back", "recalled", "reversed", "stopped", "undone", "returned", "taken back", "fetched back", "got back",
    "held back", "brought back", "retrieved", "changed", "altered", "intercepted", "redirected", "pulled back",
)  # fmt: skip
# Nouns after "I've made/placed/processed/completed …" and before "… is confirmed/complete".
EFFECT_NOUNS = (
    "booking", "reservation", "cancellation", "payment", "refund", "order", "purchase", "change", "changes",
    "transfer", "appointment", "update", "request", "upgrade", "registration", "trip", "stay", "ticket", "tickets",
    "flight", "table", "return", "dispute", "claim", "exchange", "renewal", "extension", "subscription",
)  # fmt: skip
# Further nouns in "Address updated.".
THINGS = (
    "address", "voucher", "card", "line", "plan", "limit", "fee", "seat", "bag", "name", "date", "account", "number",
    "roaming", "slot", "parcel", "loan", "room", "hotel", "discount", "credit", "points", "phone", "e-mail", "invoice",
    "bill", "letter", "message", "note", "book", "item", "price", "pass", "notice", "charge", "permit",
)  # fmt: skip
# Nouns after "I've given you …".
GIVEN_NOUNS = ("voucher", "vouchers", "credit", "refund", "discount", "extension", "goodwill", "points", "upgrade")
