"""The script that anyone runs offline: confirmed for honest files, every difference told for others, by all methods."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trials.allocation import blocks, minimization, simple, verify_offline
from trials.allocation.arms import ArmRatio
from trials.allocation.generator import HmacDrbg
from trials.allocation.replay import Place, differences, rebuilt_arms
from trials.allocation.seed import commitment

SEED = bytes(range(32))
ARMS = (ArmRatio("cbt", 2), ArmRatio("support", 1), ArmRatio("waitlist", 1))
LEVELS = {"site": ("leeds", "ghent"), "sex": ("F", "M", "X")}
SCHEMES = {
    "permuted_blocks": blocks.Scheme(ARMS, (8, 12, 16)),
    "simple": simple.Scheme(ARMS),
    "minimization": minimization.Scheme(ARMS, tuple(LEVELS), 70),
}


def register(scheme, seed=SEED, count=30):
    """A register as the platform would have made it: places in strata, or in one list, each with the drawn arm."""
    people = HmacDrbg(seed, personalization=b"people")
    taken: dict[str, int] = {}
    places = []
    for number in range(1, count + 1):
        levels = {factor: known[people.below(len(known))] for factor, known in LEVELS.items()}
        stratum = f"site={levels['site']}" if isinstance(scheme, blocks.Scheme) else "all"
        taken[stratum] = taken.get(stratum, 0) + 1
        places.append(Place(stratum, taken[stratum], f"T-{number:03d}", "", levels))
    arms = rebuilt_arms(seed, scheme, places)
    given_places = [Place(**{**vars(each), "arm": arms[each.stratum, each.sequence]}) for each in places]
    return given_places, taken


def replay(scheme, seed=SEED, count=30):
    places, taken = register(scheme, seed, count)
    return {
        "format": "allocation replay",
        "version": 1,
        "trial": "calm-sleep",
        "unit": "participant",
        "commitment": commitment(seed, scheme),
        "seed": seed.hex(),
        "scheme": json.loads(scheme.canonical_json()),
        "taken": taken,
        "register": [vars(place) for place in places],
    }


def run(tmp_path, file):
    """Run the script as it is downloaded: alone in a folder, without site packages."""
    script = tmp_path / "verify_allocation.py"
    shutil.copy(Path(verify_offline.__file__), script)
    (tmp_path / "replay.json").write_text(file if isinstance(file, str) else json.dumps(file))
    command = [sys.executable, "-I", "-S", str(script), str(tmp_path / "replay.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stderr == ""
    return done.returncode, done.stdout


@pytest.mark.parametrize("method", SCHEMES)
def test_an_honest_file_is_confirmed(tmp_path, method):
    made = replay(SCHEMES[method])
    code, said = run(tmp_path, made)
    assert (code, "CONFIRMED" in said) == (0, True)
    assert said.count(made["commitment"]) == 2
    assert "30 allocations" in said


def another_arm(made):
    made["register"][7]["arm"] = "support" if made["register"][7]["arm"] != "support" else "cbt"


def skipped_place(made):
    del made["register"][3]


def counter_ahead(made):
    made["taken"][next(iter(made["taken"]))] += 1


def another_seed(made):
    made["seed"] = bytes(32).hex()


def another_ratio(made):
    made["scheme"]["arms"][0][1] = 4


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (another_arm, "T-008 is in"),
        (skipped_place, "have a gap"),
        (counter_ahead, "places taken"),
        (another_seed, "do not give the commitment"),
        (another_ratio, "do not give the commitment"),
    ],
)
@pytest.mark.parametrize("method", SCHEMES)
def test_tampering_is_told(tmp_path, method, tamper, told):
    made = replay(SCHEMES[method])
    tamper(made)
    code, said = run(tmp_path, made)
    assert code == 1
    assert "DIFFERENT" in said
    assert told in said


@pytest.mark.parametrize("method", SCHEMES)
def test_one_changed_arm_is_one_difference(method):
    """Also in minimization, where every later arm depends on it: replay goes by the arms that should have been."""
    made = replay(SCHEMES[method])
    another_arm(made)
    assert len(verify_offline.check(made)[1]) == 1
    places = [Place(**line) for line in made["register"]]
    assert differences(SEED, SCHEMES[method], places, made["taken"]) == verify_offline.check(made)[1]


@pytest.mark.parametrize("file", ["", "{}", "[1]", '{"format": "allocation replay", "version": 2}'])
def test_what_is_no_replay_is_no_verdict(tmp_path, file):
    code, said = run(tmp_path, file)
    assert code == 2
    assert "cannot be checked" in said
    assert "CONFIRMED" not in said


def test_levels_are_part_of_what_is_replayed_in_minimization():
    made = replay(SCHEMES["minimization"], count=60)
    for line in made["register"]:
        line["levels"] = {"site": "leeds", "sex": "F"}
    assert verify_offline.check(made)[1]


@st.composite
def schemes(draw):
    weights = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    arms = tuple(ArmRatio(f"arm-{number}", weight) for number, weight in enumerate(weights))
    share = int(100 * min(weights) / sum(weights))
    return draw(
        st.sampled_from(
            [
                blocks.Scheme(arms, blocks.default_block_sizes(arms)),
                simple.Scheme(arms),
                minimization.Scheme(arms, tuple(LEVELS), draw(st.integers(share + 1, 99))),
            ]
        )
    )


@given(schemes(), st.binary(min_size=32, max_size=32), st.integers(0, 40))
def test_both_implementations_agree_on_every_scheme(scheme, seed, count):
    made = replay(scheme, seed, count)
    assert verify_offline.check(made) == (made["commitment"], [])
