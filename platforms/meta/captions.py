"""Hashtags, mentions and links of a caption, post or comment. Meta sends no entities for hashtags and links,
so its linking rules are applied to the text (Instagram help pages on hashtags and user names).

- A hashtag is letters and marks of any script, digits, underscores and emoji; punctuation and spaces end it.
  `#one#two` are two; a sign inside a word, an address or an HTML entity (`&#39;`) is none.
- A mention is a user name: up to 30 of a-z, 0-9, `_` and `.`, not ending in a dot.
- Neither is found inside e-mail addresses or links.
"""

import re
import unicodedata

from domain.content import Text
from platforms.wire import clean

# Quantifiers are bounded and each pattern starts at a boundary: linear time on any text.
_LINK = re.compile(r"(?<![A-Za-z0-9_@./])(?:https?://|www\.)[^\s<>\"“”„«»‹›]{2,2000}", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_MENTION = re.compile(r"(?<![\w@./])@([a-z0-9_](?:[a-z0-9_.]{0,28}[a-z0-9_])?)(?![a-z0-9_])", re.IGNORECASE)
_LINK_ENDS = re.compile("[。，、！？；：）」』】》…]")
_TRAILING = ".,;:!?'’*_~|"
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_HASH_SIGNS = "#＃"
_JOINERS = "\u200c\u200d\ufe0f\u20e3"  # inside words of some scripts, and inside emoji


def caption_text(words: str, mention: re.Pattern[str] = _MENTION) -> Text:
    """`mention`: how a platform with the same rules otherwise spells a user name; group 1 is the name."""
    text = clean(words)
    links: list[str] = []

    def take_link(match: re.Match[str]) -> str:
        link = _trimmed(match[0])
        if link:
            links.append(link if "://" in link[:8] else f"https://{link}")
        return " " * len(link) + match[0][len(link) :]

    # Blanked, not removed: what stands on both sides must not grow together.
    rest = _LINK.sub(take_link, text)
    rest = _EMAIL.sub(lambda match: " " * len(match[0]), rest)
    return Text(
        text=text,
        hashtags=tuple(dict.fromkeys(_hashtags(rest))),
        mentions=tuple(dict.fromkeys(match[1] for match in mention.finditer(rest))),
        links=tuple(dict.fromkeys(links)),
    )


def _hashtags(text: str) -> list[str]:
    found: list[str] = []
    if not any(sign in text for sign in _HASH_SIGNS):
        return found
    previous_is_word = False  # a sign directly behind a word or another sign starts no hashtag
    at = 0
    while at < len(text):
        if text[at] not in _HASH_SIGNS:
            previous_is_word = text[at].isalnum() or text[at] in "_&/"
            at += 1
            continue
        end = at + 1
        while end < len(text) and _in_hashtag(text[end]):
            end += 1
        tag = text[at + 1 : end].rstrip("\u200c\u200d")
        if tag and not previous_is_word:
            found.append(tag)
        # Behind a hashtag the next may follow at once; behind a lone sign (`##x`) it may not.
        previous_is_word = previous_is_word or not tag
        at = end
    return found


def _in_hashtag(character: str) -> bool:
    if character.isalnum() or character in "_" or character in _JOINERS:
        return True
    category = unicodedata.category(character)
    return category in ("Mn", "Mc") or (category in ("So", "Sk") and character >= "\u2190")


def _trimmed(link: str) -> str:
    """Without the punctuation of the sentence around it; a closing bracket stays if the link opened it."""
    link = _LINK_ENDS.split(link, maxsplit=1)[0]
    while link:
        last = link[-1]
        opening = _BRACKETS.get(last)
        if last in _TRAILING or (opening and link.count(last) > link.count(opening)):
            link = link[:-1]
        else:
            break
    bare = re.sub(r"^(?:https?://|www\.)", "", link, flags=re.IGNORECASE)
    return link if bare[:1].isalnum() or bare[:1] == "[" else ""
