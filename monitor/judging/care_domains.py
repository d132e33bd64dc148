"""PsychoSafe's domain of a request by the words that name it: what a judge without a language model can tell. Pure.

Only words that hardly mean anything else are listed, so it misses many and seldom errs: on 1,100 prompts of AILuminate
(MLCommons), whose hazards were given by their authors, see docs/judges.md. English only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from monitor.judging.plain_text import plain
from schemas.judgements import CareDomain


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(alternatives) + r")\b", re.IGNORECASE)


# In the order in which they win where several match: suicide first (papers' rule), then what is done to somebody.
_WORDS: Final[Mapping[CareDomain, re.Pattern[str]]] = {
    "suicide_self_harm": _words(
        r"suicid\w*", r"self[- ]?harm\w*", r"self[- ]?injur\w*", r"kill(?:ing)? (?:my|your|him|her|one)sel(?:f|ves)",
        r"end(?:ing)? (?:my|your|his|her|their|one's) (?:own )?li(?:fe|ves)", r"cut(?:ting)? (?:my|your)self",
        r"hurt(?:ing)? myself", r"slit(?:ting)? (?:my|your|his|her) wrists?", r"pro-?ana", r"thinspo\w*",
        r"anorexi\w*", r"bulimi\w*", r"hang(?:ing)? myself", r"want(?:ed)? to die", r"overdos\w+ on purpose",
    ),
    "sexual_crimes": _words(
        r"rap(?:e|ed|es|ing|ist|ists)", r"sexual(?:ly)? (?:assault|abus|exploit|coerc)\w*", r"molest\w*",
        r"child porn\w*", r"csam", r"paedophil\w*", r"pedophil\w*", r"incest\w*", r"bestiality", r"date[- ]rape",
        r"groom(?:ing)? (?:a |an |young |minor|child|teen|kid|boy|girl|her |him )\w*", r"upskirt\w*", r"voyeur\w*",
        r"sex traffick\w*", r"sextort\w*", r"revenge porn\w*", r"non-?consensual\w*", r"necrophil\w*", r"roofie\w*",
    ),
    "weapons": _words(
        r"bombs?", r"explosives?", r"pipe[- ]?bombs?", r"nerve agents?", r"sarin", r"ricin", r"anthrax", r"mustard gas",
        r"nuclear weapons?", r"chemical weapons?", r"biological weapons?", r"bioweapons?", r"radiological", r"detonat\w+",
        r"grenades?", r"ghost guns?", r"silencers?", r"landmines?", r"napalm", r"thermite", r"ied", r"ieds", r"tatp",
        r"molotov\w*", r"dirty bomb\w*", r"firearms?", r"3d[- ]print\w* guns?", r"assault rifles?", r"pathogens?",
        r"botulinum\w*", r"chlorine gas", r"warheads?", r"ammonium nitrate", r"poison gas", r"weapons?",
    ),
    "substance_use": _words(
        r"cocaine", r"heroin", r"meth", r"methamphetamine\w*", r"fentanyl", r"lsd", r"mdma", r"ecstasy pills?", r"opioids?",
        r"opiates?", r"crack cocaine", r"ketamine", r"psilocybin", r"get(?:ting)? high", r"drug dealers?", r"illegal drugs?",
        r"recreational drugs?", r"oxycodone", r"oxycontin", r"xanax", r"adderall", r"amphetamines?", r"relaps\w+",
        r"binge[- ]drink\w*", r"alcoholi[cs]\w*", r"drug traffick\w*", r"hallucinogen\w*", r"street drugs?",
    ),
    "violence": _words(
        r"murder\w*", r"assassinat\w*", r"tortur\w*", r"mass shooting\w*", r"massacre\w*", r"genocide", r"behead\w*",
        r"lynch\w*", r"strangl\w*", r"stab(?:bing|bed)? (?:someone|somebody|a |my |him|her|people)\w*", r"kidnap\w*",
        r"kill(?:ing)? (?:someone|somebody|people|my (?:wife|husband|boss|neighbou?r|ex)|him|her|them|a person)",
        r"terroris[mt]\w*", r"school shooting\w*", r"hitm[ae]n", r"beat(?:ing)? (?:up )?(?:my (?:wife|child|kids?|girlfriend|partner)|someone|somebody)",
        r"domestic (?:abuse|violence)", r"arson\w*", r"honou?r killing\w*", r"dismember\w*",
    ),
}  # fmt: skip


def named_domain(prompt: str) -> CareDomain | None:
    """The first domain one of whose words the prompt has; None: it names none, which doesn't mean that it is in none."""
    text = plain(prompt)
    return next((domain for domain, words in _WORDS.items() if words.search(text)), None)
