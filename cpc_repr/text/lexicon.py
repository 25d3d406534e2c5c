"""The words of the generated stories. `glad: joyful elated` means: `glad` is in the books, the others in tasks only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Genre:
    """What a kind of story is about."""

    places: tuple[str, ...]
    objects: tuple[str, ...]
    people: tuple[str, ...]


SYNONYMS: dict[str, tuple[str, ...]] = {}


def _words(text: str) -> tuple[str, ...]:
    """Note the synonyms that `text` gives, one word a line, and return the words."""
    entries = []
    for line in text.strip().split(";"):
        base, _, others = line.partition(":")
        SYNONYMS[base.strip()] = tuple(others.split())
        entries.append(base.strip())
    return tuple(entries)


# Mood, of people and of things: what a reflection says, and what its story goes on with.
PEOPLE_GOOD = _words(
    """glad: joyful elated delighted cheerful jolly; proud: triumphant honoured dignified; calm: serene tranquil;
    hopeful: optimistic confident eager; kind: generous caring gentle fond"""
)
PEOPLE_BAD = _words(
    """sad: sorrowful unhappy mournful gloomy glum; angry: furious enraged irate; afraid: scared terrified anxious;
    weary: exhausted drained tired faint; cruel: vicious heartless bitter spiteful"""
)
THINGS_GOOD = _words(
    """fine: splendid superb excellent; bright: radiant brilliant gleaming; lovely: charming beautiful pretty; sturdy:
    solid robust strong; sweet: delicious tasty pleasant"""
)
THINGS_BAD = _words(
    """ugly: hideous unsightly grotesque; broken: cracked shattered ruined; dull: boring tedious dreary; foul: vile
    disgusting nasty; poor: shabby meagre wretched"""
)
WORKS = _words("tale: narrative yarn; song: tune melody; play: drama; book: novel; dance: ballet; picture: painting")
DID_WELL = _words("smiled: grinned beamed; laughed: chuckled giggled; sang: hummed")
DID_BADLY = _words("wept: sobbed wailed; sighed: moaned groaned; frowned: scowled")
LUCKILY, ALAS = "luckily", "alas"
ACTIONS = _words(
    """took: grabbed; carried: hauled; brought: delivered; found: discovered; held: gripped; hid: concealed;
    dropped: lost; sold: traded; showed: displayed; called: named; kept: guarded; moved: dragged"""
)
NEAR = ("at", "near", "behind", "by")
NAMES = _words("ada; ben; cora; dan; ella; finn; gwen; hugo; ida; jack; kate; leo; mina; ned; olga; paul")
NUMBERS = _words("two; three; four; five; six; seven; eight; nine; ten; twelve; twenty; thirty")

GENRES = (
    Genre(
        _words("harbour: port; deck: gangway; island: isle; shore: coast; lighthouse: beacon"),
        _words("rope: cable; sail: canvas; anchor: grapnel; net: mesh; compass: sextant; barrel: cask"),
        _words("captain: skipper; sailor: mariner; fisherman: angler; pirate: corsair; pilot: helmsman"),
    ),
    Genre(
        _words("palace: mansion; tower: turret; throne: dais; garden: park; gate: portal"),
        _words("crown: tiara; sword: blade; ring: band; letter: message; cup: goblet; shield: buckler"),
        _words("king: monarch; queen: empress; knight: warrior; servant: butler; jester: clown"),
    ),
    Genre(
        _words("forest: woods; cave: grotto; river: stream; cabin: hut; valley: dale"),
        _words("axe: hatchet; lamp: lantern; bow: longbow; trap: snare; fur: pelt; basket: hamper"),
        _words("hunter: trapper; woodman: logger; witch: sorceress; guide: scout; hermit: recluse"),
    ),
    Genre(
        _words("station: outpost; crater: hollow; hangar: bay; moon: satellite; airlock: hatch"),
        _words("helmet: visor; engine: motor; robot: android; signal: beep; battery: cell; rocket: missile"),
        _words("astronaut: cosmonaut; engineer: mechanic; alien: stranger; doctor: medic; commander: chief"),
    ),
    Genre(
        _words("farm: homestead; barn: shed; field: meadow; well: fountain; mill: grinder"),
        _words("plough: tiller; bucket: pail; wagon: cart; hay: straw; fence: hedge; egg: yolk"),
        _words("farmer: peasant; shepherd: herdsman; miller: baker; milkmaid: dairymaid; blacksmith: farrier"),
    ),
    Genre(
        _words("bank: vault; street: avenue; prison: jail; office: bureau; hotel: inn"),
        _words("diamond: gem; pistol: revolver; key: passkey; wallet: purse; phone: handset; mask: disguise"),
        _words("detective: inspector; thief: burglar; judge: magistrate; banker: cashier; lawyer: attorney"),
    ),
)
# Nouns that a question of the other classes of TREC asks for; HUM, LOC and ENTY ask for those of the genre.
ASKED = {
    "NUM": _words("number: amount; price: cost; sum: total; year: date; weight: mass"),
    "DESC": _words("reason: motive; cause: origin; purpose: aim; meaning: sense; manner: fashion"),
    "ABBR": _words("letters: initials; sign: symbol; mark: token; badge: emblem; code: cipher"),
}
CLASSES = ("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM")
