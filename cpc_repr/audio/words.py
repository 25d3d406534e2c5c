"""Words for `cpc_repr.audio.grammar`: between them they hold every phone class, the rare ones many times."""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words("""
    ancient angry annoyed awful beige big bitter blue boiling bold brave brief bright broad brown calm careful cheap
    chilly clean clever cloudy cold cosy cruel curious curly damp dark decent deep dirty dull dusty eager early easy
    empty enormous fair faithful famous fancy fast fierce final flat foolish foreign frozen full funny general
    gentle giant glorious golden good grand great green handsome happy harsh heavy honest huge hungry icy jealous
    jolly joyful kind large lazy little lonely long loud loyal lucky major mature muddy narrow nasty neat nervous
    new nice noisy odd old orange pale patient plain pleasant polite poor proud pure purple quaint quick quiet rare
    rich rough round royal rude rural rusty sad shallow sharp shiny short shy silent silver simple sleepy slow small
    smooth soft sour spicy square steep strange strong sudden sweet tall thick thin thirsty thorough tidy tiny tough
    ugly unusual usual useful vague vast violet warm weak weird wet white whole wide wild wise wooden worthy yellow
    young youthful
""")

NOUNS = _words("""
    actor address adult airport anchor animal apple army artist author autumn badge baker ball banjo basket bath
    beach bear bed bell bench bird boat book bottle box boy branch breeze bridge brother bucket builder bush butcher
    button cabin cage camel camera candle captain car carpet castle cat cave chain chair chapel cheese cherry chief
    child church circus city clock cloud coach coat coin college collar colour concert cook corner cottage couch
    country cousin cow creature crowd crown cupboard customer daughter decision desert diamond dinner division
    doctor dog door dragon driver drum duke eagle earth elbow engine engineer evening explosion farmer father
    feather fence field finger fire fish flower foot forest fox friend fruit garage garden gate genius ghost giraffe
    girl glass glove goat goose grandfather grape guard guest guide guitar hammer harbour hat hawk helmet hill horse
    hospital hotel house hunter idea island jacket jail jewel joke journal journey judge jug juice jungle junior
    kettle king kitchen knife ladder lady lake lamp language lawyer leather lemon lesson letter library lion lizard
    machine magazine magician market measure merchant message mirror moment monkey month moon morning mother
    mountain mouse mouth museum nation neighbour nephew noise nurse ocean office onion orchard owl oyster painter
    palace paper parrot path peach pencil person picture piece pilot pirate pizza planet player pleasure pocket poem
    poet point poison pond prince prisoner pudding pupil queen question rabbit radio river road robin rocket roof
    room rope sailor salad sandwich school season shadow shark sheep shelf ship shirt shoe shop shoulder singer
    sister snake soldier song soup spider spoon square squirrel stage star stone storm story stranger street student
    sugar summer sweater table tailor teacher television temple theatre thief thing thumb ticket tiger tooth tower
    town toy treasure tree truth turtle uncle uniform university usher valley vegetable vehicle village violin
    vision visitor voice voyage waiter wall watch water whale wheel whistle widow window winter witch wizard wolf
    woman wood world yacht yard year zebra
""")

TRANSITIVE = _words("""
    accused admired avoided believed borrowed bothered bought brought brushed built buried called carried caught
    changed chased checked chose cleaned cooked copied counted covered crushed described destroyed discovered
    discussed drew encouraged enjoyed entertained examined fetched followed found gathered guarded hated heard
    helped hid imagined invited joined judged kicked kissed knew liked lifted loved measured mentioned missed moved
    needed noticed offered ordered painted passed paid pleased praised prepared protected pulled punished pushed
    raised reached received refused remembered repaired rescued saved saw searched shook showed sold sought spoiled
    stole studied surprised taught thanked threw touched treasured treated trusted understood used visited voiced
    wanted warned washed watched welcomed
""")

INTRANSITIVE = _words("""
    agreed appeared argued arrived began belonged boiled bounced breathed changed coughed cried crawled danced
    disappeared dreamed escaped exploded failed fell flew froze giggled grew hesitated hurried jumped knelt landed
    laughed listened marched mattered moved paused played prayed ran recovered rejoiced rested returned roared
    rolled sang shouted shrugged sighed slept smiled sneezed spoke stayed stood stretched suffered swam talked
    trembled turned vanished waited walked wandered waved whispered worked yawned
""")

ADVERBS = _words("""
    again already always anxiously badly boldly bravely briefly calmly casually cautiously cheerfully clearly
    closely courageously curiously daily eagerly easily enough exactly faithfully finally foolishly forever
    frequently gently gladly gracefully greedily happily heavily honestly hungrily immediately joyfully kindly
    lately loudly loyally merrily naturally nearby nervously never noisily obviously occasionally often outdoors
    outside patiently perfectly politely proudly quickly quietly rapidly rarely really sadly seldom shyly silently
    slowly smoothly softly somehow soon strangely suddenly thoroughly though thoughtfully today together tomorrow
    truly twice unusually usually warmly wildly wisely yesterday
""")

PREPOSITIONS = _words("""
    above across after against along among around before behind below beneath beside beyond by near over past
    through toward under with without
""")

NAMES = _words("""
    Alice Andrew Arthur Beatrice Carol Charlie Chloe Dorothy Edith Edward Eve Frank George Grace Hugh Ian Jack Jane
    Jasper Joy Julia Keith Laura Leo Lucy Luke Matthew Maya Nancy Nigel Olivia Oscar Paul Peter Rose Roy Ruth Sarah
    Sean Theo Thomas Toby Una Victor Violet Walter Yvonne Zoe
""")

NUMBERS = _words("""
    two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen twenty thirty forty fifty
""")
