"""Long runs of a line past sensor, camera and controller: whose picture each part gets."""

import random
from collections import Counter
from datetime import UTC, datetime

import numpy as np
import pytest

from partgate.parts import Frame
from partgate.station.pairing import Arrived, Edge, Pairing, PairingLimits

LIMITS = PairingLimits(early_s=0.03, late_s=0.1, quiet_s=0.4)


def picture(block_id: int, at: float) -> Arrived:
    return Arrived(Frame(np.zeros((1, 1, 3), np.uint8), datetime.now(UTC), "top", block_id=block_id), at)


@pytest.mark.parametrize(
    ("spacing", "latency"),
    [(0.17, 0.14), (0.2, 0.15), (0.2, 0.19), (0.25, 0.26), (0.5, 0.45), (0.5, 0.49), (0.6, 0.65)],
)
def test_slow_pictures_at_an_even_spacing_are_never_taken_for_those_of_the_next_part(spacing: float, latency: float):
    given = play(spacing, latency, [""] * 60)

    assert given["other"] == 0
    assert given["own"] == 0  # late_ms is too short for this camera


@pytest.mark.parametrize("seed", range(20))
def test_no_part_gets_another_ones_picture_among_faults_of_every_kind(seed: int):
    chance = random.Random(seed)
    kinds = [("", 900), ("lost", 5), ("missed", 5), ("twice", 5), ("bounced", 5), ("pause", 80)]
    names, weights = [name for name, _ in kinds], [weight for _, weight in kinds]

    given = play(0.2, chance.uniform(0.0, 0.19), chance.choices(names, weights, k=400), seed)

    assert given["other"] == 0


def test_line_with_lost_pictures_gives_all_others():
    lost = [("lost" if part % 200 == 50 else "") for part in range(2000)]

    given = play(0.2, 0.05, lost)

    assert (given["own"], given["other"]) == (1989, 0)


def play(spacing: float, latency: float, faults: list[str], seed: int = 0) -> Counter[str]:
    """Run a line and count whose picture each part got; a fault befalls the edge of the same place."""
    chance, events, at, sequence, number = random.Random(seed), [], 1.0, 0, 70
    for part, fault in enumerate(faults):
        at += spacing + chance.uniform(-0.005, 0.005) + (1.0 if fault == "pause" else 0.0)
        seen_at = at + chance.uniform(0.005, 0.02)
        for edge_at in (seen_at, *([seen_at + spacing / 2] if fault == "bounced" else [])):
            sequence += 1
            events.append((edge_at, "edge", sequence, part if edge_at == seen_at else -1))
        for again in range({"missed": 0, "twice": 2}.get(fault, 1)):
            number += 1
            if fault != "lost":
                events.append((at + latency + 0.01 * again + chance.uniform(0, 0.005), "picture", number, part))
    pairing, given, pictures, now = Pairing(LIMITS), Counter[str](), {}, -2
    for when, kind, count, part in sorted(events):
        if kind == "edge":
            pairing.begin(Edge(count, when))
            now, until = part, when + LIMITS.late_s
        else:
            pictures[count] = part
            pairing.add(picture(count, when))
            if when <= until and isinstance(found := pairing.find(), Frame):
                given["own" if pictures[found.block_id] == now else "other"] += 1
                until = 0.0
        if kind == "edge" and isinstance(found := pairing.find(), Frame):
            given["own" if pictures[found.block_id] == now else "other"] += 1
            until = 0.0
    return given
