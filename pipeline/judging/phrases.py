"""How people at a desk ask for somebody's word and how they refuse: regular expressions over plain text.

`plain` is what `speech.plain` makes of a message: lower case, straight apostrophes, contractions with theirs. Each
pattern stands for a way of saying it; a pattern that must not be taken for it stands beside it.
"""

from __future__ import annotations

# ---------------------------------------------------------------- asking for somebody's word

_WORD = r"(?:ok|okay|go-ahead|go ahead|confirmation|approval|word|consent|permission|yes|nod|decision|agreement)"
_CONSENT = r"(?:confirm|approve|agree|authori[sz]e|advise|consent|accept)"
_TELL = (
    r"(?:tell me|give me|give your|provide (?:me|your)|share|specify|choose|pick|reply|let me know|send me|state|"
    r"indicate)"
)
_WANTS = (
    r"(?:need|await|awaiting|wait(?:ing)? for|want|would like|'d like|with|give(?: me)?|look(?:ing)? forward to|"
    r"ask(?:ing)? for|require|only|just|before)"
)
_FITS = r"(?:ok|okay|fine|right|good|alright|you)"
ASKS = (
    r"\?",
    rf"\b(?:please|kindly) (?:(?:to|also|just|then|first|kindly) )*(?:{_CONSENT}|{_TELL}|"
    r"(?:answer|say|write)[^.?!]{0,12}\b(?:yes|no))\b",
    r"(?:^|[.:;,—–-]\s*|\b(?:and|then|just|only) )(?:please )?confirm\b(?! (?:that|with) (?:it|them|the|their)\b)",
    rf"\b(?:need|want|like|ask|wait for|for) you to {_CONSENT}\b",
    r"\b(?:let me know|tell me)\b",
    rf"\b{_WANTS}\b[^.?!;,]{{0,20}}?\b(?:your|a|the) (?:\w+ )?{_WORD}\b",
    rf"^(?:your|a) {_WORD}\b(?! (?:number|code|mail|e-mail|is|was|has|will)\b)",
    r"\b(?:once|when|as soon as|if|unless|until) you(?:'re|'ve| are| have)? (?:\w+ )?"
    r"(?:confirm(?:ed)?|agreed?|approved?|say|said|tell me|give me|happy|wish|like|prefer|ok|okay|ready|fine)\b",
    r"\bif you want(?=[,.!]|$| (?:me|it|that|this|to go|us)\b)",
    r"\b(?:whether|if) (?:to proceed|to go ahead|i (?:may|should|shall))\b",
    rf"\bif (?:that|this|it)(?:'s| is| suits| works| sounds| looks)\b[^.?!]{{0,12}}\b{_FITS}\b",
    r"\b(?:say|reply|answer|write)(?: with)? (?:yes|the word|so)\b|\bthe nod\b",
    r"\byour (?:call|decision)\b|\bup to you\b",
    r"\bi(?:'d|'ll| will| would)?(?: still| also| just| only| then)* (?:need|require)(?: to know)? "
    r"(?:your|the|a|an|which|whether|to know)\b",
    # a question without its mark
    r"(?:^|[.!;:,] )(?:(?:so|and|then|ok|okay),? )?(?:(?:shall|should|may|can) (?:i|we)\b"
    r"|(?:do|would) you (?:want|like|agree|confirm|wish|mind)\b|(?:you )?(?:want me to|wanna|wish me to)\b"
    r"|(?:ok|okay) (?:to|with you|for you)\b)",
)
# Questions and phrases that end a report and wait for nothing; with "before I …" they wait.
_ELSE = r"(?:you|there)\b[^.?!;]*\b(?:else|more|other|further)\b"
COURTESY_QUESTIONS = (
    r"[^.?!;]*\b(?:anything|something|what) (?:else|more)\b(?![^?.!]*\bbefore (?:i|we)\b)[^.?!;]*\?",
    r"[^.?!;,]*\bhow (?:else )?(?:can|may|could) (?:i|we) (?:help|assist|be of)\b[^.?!;]*\?",
    r"[^.?!;,]*\bwhat (?:else )?can (?:i|we) do for you\b[^.?!;]*\?",
    rf"\b(?:please )?let (?:me|us) know if {_ELSE}[^.?!;]*",
    rf"\bif {_ELSE}[^.?!;]*,[^.?!;]*\b(?:let (?:me|us) know|tell (?:me|us))\b",
)

# ---------------------------------------------------------------- refusing

_NEG = r"(?:not|n't)"
_SORRY = r"(?:sorry|afraid|unfortunately|regret\w*)"
_WAY = (
    r"(?:way|tool|authority|access|ability|option|permission|right|power|means|possibility|function|say|influence|part)"
)
_OVER = r"(?:over|passed|expired|exceeded|excluded|closed|gone)"
_RULES = r"(?:policy|policies|rules?|system|terms|fare|tools?)"
_SERVE = (
    r"(?:offer|do|sell|accept|provide|make|take|allow|permit|give|handle|arrange|grant|refund|ship|deliver|support|issue|"
    r"carry|rent|deal with|work with|cover|process|reimburse|exchange|let|lend|quote|promise|guarantee|waive)"
)
_NOT_SO = (
    r"(?:possible|permitted|allowed|available|eligible|entitled|authori[sz]ed|in a position|refundable|covered|valid|"
    r"willing|prepared|feasible|doable|negotiable|transferable|up to me|going to|within (?:my|our)|"
    r"in (?:my|our) (?:hands|power)|the right (?:place|desk|person|address)|part of|a thing|an option|met)"
)
DECLINES = (
    # what cannot or will not be
    r"\b(?:can ?not|can't|could ?n't|could not|unable|can no longer)\b",
    r"(?:\b(?:am|is|are|was|were)|'m|'re|'s) not (?:\w+ )?able\b",
    r"\b(?:will not|won't|must not|mustn't|may not|'ll not|shall not|shan't)\b",
    rf"(?:\bnot|n't) (?:\w+ ){{0,2}}{_NOT_SO}\b",
    rf"\b(?:is|are|was|were|would) ?{_NEG} (?:be )?(?:something|anything|a thing)\b",
    r"\bnot (?:something|anything|a thing) (?:that )?(?:i|we|this)\b",
    r"\bno longer (?:\w+ ){0,2}(?:possible|available|open|valid|allowed|be|accept|offer|do|sell|can|able)\b",
    r"\bno can do\b|\b(?:no|never) (?:possible|allowed)\b|\bout of the question\b|\bdoes not exist\b",
    r"\b(?:impossible|forbidden|prohibited|ineligible|non-?(?:refundable|transferable|returnable|changeable))\b",
    # what there is not, or is not ours to do
    r"\bnothing (?:\w+ )?(?:that )?(?:i|we|this desk) (?:can|could)\b|\bnothing (?:can be|to be) done\b",
    r"\bno (?:way|means|possibility|tool|function|provision|exceptions?|such (?:service|thing|option|tool))\b",
    r"\bno refunds?\b(?=[^?]*(?:$|[.!]))(?! (?:has|have|was|is needed))",
    rf"\b(?:have|has|had|with) no (?:\w+ )?{_WAY}\b|\bhave no \w+s to (?:rent|sell|offer|give)\b|\bno part in\b",
    rf"\b(?:do|does|did) ?{_NEG} have (?:a|an|any|the) (?:\w+ )?{_WAY}\b|\b(?:do|does) ?{_NEG} have access\b",
    r"\b(?:i|we|desk|system|policy|policies|rules?|terms|tools?|bank|shop|fare|it|this) (?:just |simply |also )?"
    rf"(?:do|does) ?{_NEG} (?:\w+ )?{_SERVE}\b",
    r"\b(?:outside|beyond|above)(?: of)? (?:what (?:i|we)|my|our)\b|\bout of (?:my|our) hands\b|\bfalls? outside\b",
    # what rules or systems say
    rf"\b{_RULES} (?:\w+ ){{0,4}}(?:does ?{_NEG}|do ?{_NEG}|prevents?|prohibits?|forbids?|excludes?|refuse[sd]?|"
    r"reject(?:s|ed)?|blocks?|rules? (?:it|this|that) out)\b",
    r"\bagainst (?:\w+ ){0,2}(?:policy|policies|rules?|terms)\b",
    r"\bnever (?:\w+ ){0,2}(?:given|told|sent|allowed|made|done)\b",
    r"(?:^|[.,;:!] )only (?:the |a |an |your |our |whoever )?(?:\w+ ){1,3}(?:can|may|is able|are able)\b",
    r"\bcan only be (?:\w+ ){1,2}(?:in|at|by|through) (?:a|the|your|our|whoever|somebody|someone)\b",
    r"\bonly (?:\w+ ){1,2}to accounts in\b",
    # a no in so many words
    r"\b(?:(?:have|need|has|'d have|got) to|must) (?:decline|refuse|say no|stay|be (?:declined|refused)|"
    r"turn (?:this|that|it|you) down|leave (?:it|this|that) (?:as|at))\b",
    r"\b(?:i|we|respectfully|regretfully) (?:must )?(?:decline|refuse)\b",
    r"\b(?:request|application) (?:is|has been|was) (?:declined|refused|rejected|turned down)\b",
    r"\b(?:afraid|unfortunately|sorry|regret\w*),? (?:that's |it's |this is |i must say )?(?:not\b|no\b|a no\b)",
    r"^(?:no|nope),? (?:i'm |i am )?(?:sorry|afraid)\b|^(?:nope|no)(?:[,.]|$)",
    r"\b(?:a|is|remains|same|answer:) no(?=[.,!]|$)",
    r"\b(?:answer|it) (?:is|stays|remains)(?: at| the same)?:? (?:a )?no\b|\bat a no\b",
    r"\banswer (?:stays|remains) (?:the same|as it)\b",
    # too late, with regret
    r"\btoo (?:late|soon|early|long ago|old)(?: (?:now|already))?(?=[.,!;]|$| (?:to|for (?:that|this|it|a|the))\b)",
    rf"\b{_SORRY}\b[^.?!]*\b{_OVER}(?=[.,!;]|$)|\b{_OVER},? (?:i'm |i am )?(?:sorry|afraid)\b",
    r"\brather not\b|\bbetter not\b|\bif i could\b|\bi wish i could\b",
)
_CANT = (
    r"(?:can ?not|can't|could not|couldn't|won't|will not|isn't|is not|aren't|wasn't|"
    r"(?:am|are|is|be|'re|'s) (?:not able|unable))"
)
# What holds a "can't" and refuses nothing.
NEUTRAL_NO = (
    r"\b(?:can't|cannot|can not) (?:wait|thank you enough|go wrong|miss (?:it|them|that))\b",
    r"\b(?:couldn't|could not) (?:agree more|be (?:\w+er|more \w+|better))\b",
    r"\b(?:can't|cannot|don't|do not) see why not\b",
    r"\b(?:that|this|it|which)(?: really)? (?:won't|will not|isn't|is not) (?:be )?(?:a |an |any )?"
    r"(?:problem|issue|trouble|take (?:long|more|a))\b",
    r"\b(?:i|we) (?:won't|will not) (?:be (?:long|a (?:moment|minute|second))|hesitate|let you down|keep you|forget)\b",
    r"\byou (?:won't|will not) (?:be|have to|need|regret|lose|pay|see|notice|get charged)\b",
    r"\b(?:no|not a) (?:problem|worries|issue|trouble)\b(?: at all)?",
    rf"\b(?:if|in case|unless|whether|when|should)(?: (?!i\b|we\b)\w+){{1,3}}? {_CANT}",
    r"\bshould (?:it|that|this|you|they) not be\b(?: (?:able|available|possible))?",
    r"\b(?:if|in case|unless|whether) (?:it|that|this) (?:is not|isn't|is no longer|should not be) \w+",
    rf"\b(?:understand|see|hear|know|sorry)(?: to hear)?(?: that)? you(?:'re)? (?:{_CANT}|(?:are )?unable)",
    r"(?:^|[.!;,] )(?:can't|couldn't|won't|isn't|aren't|could (?:it|that|you) not|can (?:you|it) not) "
    r"(?:you|it|that|there|be)\b",
)
# The same where the message asks something: what a proposal warns of, and what was not found as it was spelled.
WARNINGS = (
    r"\b(?:this|that|it|which|once \w+(?: it)?) (?:can't|cannot|can not) be (?:undone|reversed|taken back|revoked)\b",
    r"\b(?:can't|cannot|can not) be (?:\w+ ){1,4}?(?:afterwards|later|once it (?:has|is|was))\b",
    r"\bnon-?refundable\b|\b(?:not|isn't) refundable\b",
)
PROPOSALS = (
    r"\b(?:shall|should|may) i\b|\bgo ahead\b|\bproceed\b|\bconfirm\b|\bwant me to\b|\blike me to (?!explain|tell|look)"
)
NOT_FOUND = (
    r"\b(?:can't|cannot|couldn't|could not|unable to|not able to)(?: seem to)? (?:find|locate|see|make out|read)\b"
    r"(?! (?:a|any) (?:way|tool))"
)
