"""The bundled names: how many there are, how the rule reads, and that no reading is lost or doubled."""

import hashlib

import pytest

from openmov.errors import VocabularyError
from openmov.text.label_sets import LABEL_SETS, load_label_set, make_label_set, readable
from openmov.text.vocabulary import Vocabulary

UCF101 = (
    "apply eye makeup|apply lipstick|archery|baby crawling|balance beam|band marching|baseball pitch|basketball|"
    "basketball dunk|bench press|biking|billiards|blow dry hair|blowing candles|body weight squats|bowling|"
    "boxing punching bag|boxing speed bag|breast stroke|brushing teeth|clean and jerk|cliff diving|cricket bowling|"
    "cricket shot|cutting in kitchen|diving|drumming|fencing|field hockey penalty|floor gymnastics|frisbee catch|"
    "front crawl|golf swing|haircut|hammering|hammer throw|handstand pushups|handstand walking|head massage|high jump|"
    "horse race|horse riding|hula hoop|ice dancing|javelin throw|juggling balls|jumping jack|jump rope|kayaking|"
    "knitting|long jump|lunges|military parade|mixing|mopping floor|nunchucks|parallel bars|pizza tossing|"
    "playing cello|playing daf|playing dhol|playing flute|playing guitar|playing piano|playing sitar|playing tabla|"
    "playing violin|pole vault|pommel horse|pull ups|punch|push ups|rafting|rock climbing indoor|rope climbing|rowing|"
    "salsa spin|shaving beard|shotput|skate boarding|skiing|skijet|sky diving|soccer juggling|soccer penalty|"
    "still rings|sumo wrestling|surfing|swing|table tennis shot|tai chi|tennis swing|throw discus|trampoline jumping|"
    "typing|uneven bars|volleyball spiking|walking with dog|wall pushups|writing on board|yo yo"
)
HMDB51 = (
    "brush hair|cartwheel|catch|chew|clap|climb|climb stairs|dive|draw sword|dribble|drink|eat|fall floor|fencing|"
    "flic flac|golf|handstand|hit|hug|jump|kick|kick ball|kiss|laugh|pick|pour|pullup|punch|push|pushup|ride bike|"
    "ride horse|run|shake hands|shoot ball|shoot bow|shoot gun|sit|situp|smile|smoke|somersault|stand|"
    "swing baseball|sword|sword exercise|talk|throw|turn|walk|wave"
)


@pytest.mark.parametrize(
    ("original", "plain"),
    [
        ("ApplyEyeMakeup", "apply eye makeup"),
        ("YoYo", "yo yo"),
        ("brush_hair", "brush hair"),
        ("archery", "archery"),
        ("Archery", "archery"),
        ("passing American football (in game)", "passing American football (in game)"),
        ("bee, wasp, etc. buzzing", "bee, wasp, etc. buzzing"),
        ("Sit2Stand", "sit2 stand"),
    ],
)
def test_the_rule(original: str, plain: str) -> None:
    assert readable(original) == plain


@pytest.mark.parametrize(
    ("name", "count", "sha256"),
    [
        ("kinetics400", 400, "a8dafb93a1204d4e"),
        ("kinetics600", 600, "5d9a560f98fcfed0"),
        ("kinetics700", 700, "a34c9fed41f5f9ed"),
        ("ucf101", 101, "d1f6f7684bab21ef"),
        ("hmdb51", 51, "34fa74047875b6e3"),
        ("vggsound", 309, "819f2132d637b662"),
    ],
)
def test_the_names_are_these(name: str, count: int, sha256: str) -> None:
    names = load_label_set(name).readable
    assert len(names) == len(set(names)) == count
    assert hashlib.sha256("\n".join(names).encode()).hexdigest()[:16] == sha256
    assert Vocabulary((), names).names == names


def test_the_names_the_rule_changes() -> None:
    assert "|".join(load_label_set("ucf101").readable) == UCF101
    assert "|".join(load_label_set("hmdb51").readable) == HMDB51


@pytest.mark.parametrize("name", ["kinetics400", "kinetics600", "kinetics700", "vggsound"])
def test_names_written_for_people_stay(name: str) -> None:
    spaced = [one for one in load_label_set(name).original if " " in one]
    assert len(spaced) > 200
    assert all(load_label_set(name).readable_of[one] == one for one in spaced)


def test_23_names_of_vggsound_hold_a_comma() -> None:
    assert sum("," in name for name in load_label_set("vggsound").readable) == 23


def test_every_original_name_finds_its_reading() -> None:
    for name in LABEL_SETS:
        labels = load_label_set(name)
        assert tuple(labels.readable_of[one] for one in labels.original) == labels.readable


def test_names_that_would_become_one_are_refused() -> None:
    assert make_label_set("mine", ("RideBike", "ride_horse")).readable == ("ride bike", "ride horse")
    with pytest.raises(ValueError, match="'RideBike' and 'ride_bike' would both be called 'ride bike'"):
        make_label_set("mine", ("RideBike", "ride_bike"))


@pytest.mark.parametrize(
    ("typed", "meant"), [("kinetics40", "kinetics400"), ("UCF-101", "ucf101"), ("hmdb5", "hmdb51")]
)
def test_the_nearest_is_named(typed: str, meant: str) -> None:
    with pytest.raises(VocabularyError, match=f"did you mean {meant}"):
        load_label_set(typed)
