"""How people at a desk ask for somebody's word and how they refuse: regular expressions over plain text.

`plain` is what `speech.plain` makes of a message: lower case, straight apostrophes, contractions with theirs. Each
pattern stands for a way of saying it; a pattern that must not be taken for it stands beside it.
"""

from __future__ import annotations

# ---------------------------------------------------------------- asking for somebody's word

_WORD = r"(?:ok|okay|go-ahead|go ahead|confirmation|approval|word|consent|permission|yes|nod|decision|agreement)"
_CONSENT = r"(?:confirm|approve|agree|authori[sz]e|advise|consent|accept)"
_TELL = (
    r"(?:tell me|give me(?! a (?:moment|second|minute|sec|few))|give your|provide (?:me|your)|share|specify|choose|"
    r"pick|reply|let me know|send me|state|"
    r"indicate)"
)
_WANTS = (
    r"(?:need|await|awaiting|wait(?:ing)? for|want|would like|'d like|give(?: me)?|look(?:ing)? forward to|"
    r"ask(?:ing)? for|require|only|just|before|(?:once|when|if|as soon as) (?:i|we) (?:have|get|receive|hear))"
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
    rf"^(?:your|a) (?:\w+ )?{_WORD}(?=[,.!]|$| please\b)|\b{_WORD} (?:is|would be) (?:required|needed|necessary)\b",
    rf"\bwith your (?:\w+ )?{_WORD},? (?:i|we)(?:'d|'ll| can| could| will| would)\b",
    r"\b(?:once|when|as soon as|if|unless|until) you(?:'re|'ve| are| have)? (?:\w+ )?"
    r"(?:confirm(?:ed)?|agreed?|approved?|say|said|tell me|give me|happy|wish|like|prefer|ok|okay|ready|fine)\b",
    r"\b(?:if|once|when) you(?:'d| would) (?:like|prefer)\b",
    r"\bwhenever you(?:'re)? (?:confirm|agree|say|approve|ready)\b",
    r"\bif you want(?=[,.!]|$| (?:me|it|that|this|to go|us)\b)",
    r"\b(?:whether|if) (?:to proceed|to go ahead|i (?:may|should|shall))\b",
    rf"\bif (?:that|this|it)(?:'s| is| suits| works| sounds| looks)\b[^.?!,]{{0,16}}\b{_FITS}\b",
    r"\b(?:say|reply|answer|write|respond)(?: with)? [\"']?(?:yes|the word|so|go)\b|\b(?:the nod|green light|thumbs up|"
    r"up to you)\b",
    r"(?:'s|\bis) your (?:call|decision)\b",
    r"\bi(?:'d|'ll| will| would)?(?: still| also| just| only| then)* (?:need|require)(?: to know)? "
    r"(?:your|the|a|an|which|whether|to know)\b",
    # a question without its mark
    r"^(?:(?:so|and|then|ok|okay),? )?(?:which|what|when|where|who|how)(?: \w+){0,3}? "
    r"(?:do|does|did|is|are|can|could|should|shall|would|will|may) (?:you|i|we|it|that|the|your)\b",
    r"(?:^|[.!;:,] )(?:(?:so|and|then|ok|okay),? )?(?:(?:shall|should|may|can) (?:i|we)\b"
    r"|(?:can|could|would|will) you (?:please )?confirm\b|is (?:it |that )?(?:ok|okay|fine) (?:for|with) you\b"
    r"|(?:do|would) you (?:want|like|agree|confirm|wish|mind)\b|(?:you )?(?:want me to|wanna|wish me to)\b"
    r"|(?:ok|okay|fine) (?:to|with you|for you|if i)\b)",
)
# Questions and phrases that end a report and wait for nothing; with "before I …" they wait.
_ELSE = r"(?:you|there)\b[^.?!;]*\b(?:else|more|other|further)\b"
COURTESY_QUESTIONS = (
    r"\b(?:anything|something|what) (?:else|more)\b(?![^?.!]*\bbefore (?:i|we)\b)[^.?!;]*\?",
    r"\bhow (?:else )?(?:can|may|could) (?:i|we) (?:help|assist|be of)\b[^.?!;]*\?",
    r"\bwhat (?:else )?can (?:i|we) do for you\b[^.?!;]*\?",
    rf"\b(?:please )?let (?:me|us) know if {_ELSE}[^.?!;]*",
    rf"\bif {_ELSE}[^.?!;]*,[^.?!;]*\b(?:let (?:me|us) know|tell (?:me|us))\b",
)

# ---------------------------------------------------------------- refusing

_NEG = r"(?:not|n't)"
_SORRY = r"(?:sorry|afraid|unfortunately|sadly|regret\w*)"
_WAY = (
    r"(?:way|tool|authority|access|ability|option|permission|right|power|means|possibility|function|say|"
    r"influence|part|room|scope)"
)
_OVER = r"(?:over|passed|expired|exceeded|excluded|closed|gone)"
_RULES = r"(?:policy|policies|rules?|system|terms|fare|tools?)"
_SERVE = (
    r"(?:offer|do|sell|accept|provide|make|take|allow|permit|give|handle|arrange|grant|refund|ship|deliver|support|"
    r"issue|"
    r"carry|rent|deal with|work with|cover|process|reimburse|exchange|let|lend|quote|promise|guarantee|waive)"
)
_NOT_SO = (
    r"(?:possible|permitted|allowed|available|eligible|entitled|authori[sz]ed|in a position|refundable|covered|valid|"
    r"willing|prepared|feasible|doable|negotiable|transferable|up to me|going to|within (?:my|our)|"
    r"in (?:my|our) (?:hands|power)|the right (?:place|desk|person|address)|part of (?:what|my|our)|a thing|"
    r"an option|met|supported)"
)
DECLINES = (
    # what cannot or will not be
    r"\b(?:can ?not|can't|could ?n't|could not|unable|can no longer)\b",
    r"(?:\bnot|n't) (?:\w+ )?(?:be )?able\b|\bhands are tied\b|\boff the table\b|(?:\bnot|n't) qualify\b",
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
    r"\b(?:nobody|no one|none of (?:us|my colleagues)|neither \w+ nor (?:\w+ )+?)(?: ?\w+){0,2}? (?:can|may|could)\b"
    r"(?! (?:use|see|spend|read))",
    rf"\bno (?:\w+ )?{_WAY} (?:to|for|of)\b|\bno such \w+|\bno (?:\w+ )?\w+ (?:is|are) (?:possible|allowed|"
    rf"permitted)\b",
    r"\b(?:is|are) excluded\b|\bnot for (?:me|us) to\b|\black the \w+|\b(?:violat|break|breach|"
    r"contraven)\w* (?:our|the|any) \w+",
    r"(?:\bnot|n't) have (?:this|that|such|a|an|any|the) (?:\w+ )?(?:service|offer|option|tool|feature|product)\b",
    r"n't done (?:in|at|from|here|by)\b|\b(?:have|need|has|going|forced|obliged|bound|got) to (?:decline|refuse|"
    r"reject|deny)\b",
    r"\bno refunds?\b(?=[^?]*(?:$|[.!]))(?! (?:has|have|was|is needed))",
    rf"\b(?:have|has|had|with) no (?:\w+ )?{_WAY}\b|\bhave no \w+s to (?:rent|sell|offer|give)\b|\bno part in\b|"
    rf"\bas far as i can go\b",
    rf"(?:\bnot|n't) (?:(?:have|see|know|got|be) )?(?:a|an|any|the) (?:\w+ )?{_WAY}\b|(?:\bnot|n't) have (?:access|"
    rf"permission)\b",
    rf"\b(?:leaves?|gives?) (?:me |us )?no (?:\w+ )?{_WAY}\b|\b(?:stopped|ceased|discontinued) (?:\w+ing|that|this|"
    rf"it)\b",
    r"\b(?:i|we|desk|system|policy|policies|rules?|terms|tools?|bank|shop|fare|it|this) (?:just |simply |also )?"
    rf"(?:do|does) ?{_NEG} (?:\w+ )?{_SERVE}\b",
    r"\b(?:outside|beyond|above)(?: of)? (?:what|my|our)\b|\bout of (?:my|our) hands\b|\bfalls? outside\b",
    r"\b(?:i|we|desk|system|tool|shop|bank|team|airline) (?:just |simply |also |really )?(?:do not|don't|does not|"
    r"doesn't) "
    r"(?!(?:quite |really |fully |actually |yet )?(?:follow|catch|remember|know|have|see|think|mind|need|want|"
    r"understand|recall|find|worry|believe|doubt|expect|mean|hear|get|like|"
    r"require|"
    r"blame|yet|hesitate|forget)\b)\w+",
    r"\b(?:that|this|it|which|\w+) (?:does not|doesn't) (?:work|apply|count|qualify|extend|cover|include|exist|"
    r"go (?:that )?far)\b",
    rf"\b{_SORRY}\b(?! (?:for|about|to hear|that you|you)\b)[^.?!]*(?:\b(?:no|not|never)|n't)\b"
    r"(?! (?:sure|find|see|know|clear|have (?:your|a|an|the)|recogni|yet|one)\b)",
    r"(?:\bnot|n't) (?:\w+ )?(?:offered|granted|provided|accepted|sold|supported|given|reimbursed|taken back|"
    r"mine to)\b",
    r"(?:\bnot|n't) (?:the (?:one|person) (?:who|to)|a matter for)\b|\bnothing to do with\b",
    r"\b(?:i|we)(?: can| may| could|'m| am| are|'re)? only (?:(?:able|allowed) to )?(?:help|discuss|work|deal|"
    r"change|talk|look|speak|"
    r"act|do|book|offer|give|pay|accept|cancel|refund|make|sell|issue|send|advise|answer)\b",
    # what rules or systems say
    rf"\b{_RULES} (?:\w+ ){{0,4}}(?:does ?{_NEG}|do ?{_NEG}|prevents?|prohibits?|forbids?|excludes?|refuse[sd]?|"
    r"reject(?:s|ed)?|blocks?|rules? (?:it|this|that) out)\b",
    r"\bagainst (?:[\w']+ ){0,2}(?:policy|policies|rules?|terms)\b",
    r"\bnever (?:\w+ ){0,2}(?:given|told|sent|allowed|made|done)\b",
    r"(?:^|[.,;:!] )only (?:the |a |an |your |our |whoever )?(?:\w+ ){1,3}(?:can|may|is able|are able)\b",
    r"\bcan only be (?:\w+ ){1,2}(?:in|at|by|through) (?:a|the|your|our|whoever|somebody|someone)\b",
    r"\bonly (?:\w+ ){1,2}to accounts in\b",
    r"\b(?:is|be|it's|that's) (?:for|up to) (?!you\b)(?:the |your |a )?\w+(?: \w+){0,4}? (?:to decide|"
    r",? not (?:for )?(?:us|me))\b",
    # a no in so many words
    r"\b(?:(?:have|need|has|'d have|got) to|must) (?:\w+ly )?(?:decline|refuse|say no|stay|be (?:declined|refused)|"
    r"turn (?:this|that|it|you) down|turn down|be (?:a )?no|stick to|leave (?:it|this|that) (?:as|at))\b",
    r"\b(?:i|we|respectfully|regretfully) (?:must )?(?:decline|refuse)\b",
    r"\b(?:request|application) (?:is|has been|was) (?:declined|refused|rejected|turned down)\b",
    r"\b(?:afraid|unfortunately|sorry|regret\w*),? (?:that's |it's |this is |i must say )?(?:not\b|no\b|a no\b)",
    r"^(?:no|nope),? (?:i'm |i am )?(?:sorry|afraid)\b|^(?:nope|no)(?:[,.]|$)|[.!:;] no(?=[.!]|$)",
    r"\b(?:a|is|remains|same|answer:)(?: firm| clear| definite)? no(?=[.,!]|$| from\b)",
    rf"\b{_SORRY}\b[^.?!]*\bstands\b|\b(?:decision|refusal) stands\b|\bso the \w+ stands\b",
    r"\b(?:answer|it) (?:is|stays|remains)(?: at| the same)?:? (?:a )?no\b|\bat a no\b",
    r"\banswer (?:stays|remains) (?:the same|as it)\b",
    # too late, with regret
    r"(?<!not )(?<!n't )(?<!never )\btoo (?:late|soon|early|long ago|old)(?: (?:now|already))?(?=[.,!;]|$| (?:to|"
    r"for (?:that|this|it|a|the))\b)",
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
    r"\b(?:can't|cannot) recommend (?:\w+ )+enough\b|\b(?:if|when|where) (?:i|we) (?:can't|cannot|"
    r"couldn't)\b[^,.!?;]*,",
    r"\b(?:couldn't|could not) (?:agree more|hurt|be (?:\w+er|more \w+|better))\b",
    r"\b(?:can't|cannot|don't|do not) see why not\b",
    r"\b(?:that|this|it|which)(?: really)? (?:won't|will not|isn't|is not) (?:be )?(?:a |an |any )?"
    r"(?:problem|issue|trouble|take (?:long|more|a))\b",
    r"\b(?:i|we) (?:won't|will not) (?:be (?:long|a (?:moment|minute|second))|hesitate|let you down|keep you|forget)\b",
    r"\byou (?:won't|will not) (?:be (?!able|allowed|permitted|refunded|given)|find|have to|need|regret|lose|pay|"
    r"see|notice|get charged)\b",
    r"\b(?:that|this|it|which) (?:won't|will not|doesn't|does not) (?:affect|change (?:anything|the|your)|cost|hurt|"
    r"touch|matter|"
    r"interfere|influence|be long)\b|\byou (?:can't|cannot) be charged\b",
    r"\b(?:doesn't|does not|won't|will not|don't) take (?:long|more|much|a)\b",
    r"\b(?:no|not a) (?:problem|worries|issue|trouble)\b(?: at all)?",
    rf"\b(?:if|in case|unless|whether|when|should)(?: (?!i\b|we\b)\w+){{1,3}}? {_CANT}",
    r"\bshould (?:it|that|this|you|they) not be\b(?: (?:able|available|possible))?",
    r"\b(?:if|in case|unless|whether) (?:it|that|this) (?:is not|isn't|is no longer|should not be) \w+",
    rf"\b(?:understand|see|hear|know|sorry)(?: to hear)?(?: that)? you(?:'re)? (?:{_CANT}|(?:are )?unable)",
    r"(?:^|[.!;,] )(?:can't|couldn't|won't|isn't|aren't|could (?:it|that|you) not|can (?:you|it) not) "
    r"(?:you|it|that|there|be|the|your|this|these)\b(?=[^.!;]*\?)",
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
    r"\b(?:can't|cannot|couldn't|could not|unable to|not able to)(?: seem to)? (?:find|locate|see|make out|read|"
    r"hear|open|follow)\b"
    r"(?! (?:a|any) (?:way|tool))"
)
