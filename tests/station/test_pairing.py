"""Frame n is trigger n: a part never gets the picture of another one, however slow, lost or doubled pictures are."""

from datetime import UTC, datetime

import numpy as np
import pytest

from partgate.parts import Frame
from partgate.station.pairing import Arrived, Edge, Pairing, PairingLimits

LIMITS = PairingLimits(early_s=0.03, late_s=0.1, quiet_s=0.4)


def picture(block_id: int | None, at: float) -> Arrived:
    return Arrived(Frame(np.zeros((1, 1, 3), np.uint8), datetime.now(UTC), "top", block_id=block_id), at)


def tied(sequence: int = 10, block_id: int = 100) -> Pairing:
    """Trigger and picture of second 0 are tied together; trigger 11 is the newest, at second 1."""
    pairing = Pairing(LIMITS)
    pairing.begin(Edge(sequence, 0.0))
    pairing.add(picture(block_id, 0.02))
    pairing.begin(Edge(sequence % 65535 + 1, 1.0))
    return pairing


# --- when the two counts are tied together


def test_part_that_came_without_a_pause_ties_nothing():
    pairing = Pairing(LIMITS)
    for part in range(30):
        pairing.begin(Edge(10 + part, 0.2 * part))
        if part:  # the first one's was lost
            pairing.add(picture(100 + part, 0.2 * part + 0.02))

    assert not pairing.is_tied
    assert "are paired at a part that comes 0.4 s after all others" in str(pairing.find())


def test_slow_pictures_are_told_with_what_to_change():
    pairing = Pairing(LIMITS)
    pairing.begin(Edge(10, 0.0))
    pairing.add(picture(100, 0.15))
    pairing.begin(Edge(11, 0.2))

    assert str(pairing.find()).startswith("a picture came 150 ms after its trigger; late_ms 100 allows less")


def test_picture_still_on_its_way_when_the_controller_was_connected_ties_nothing():
    pairing = Pairing(LIMITS)
    pairing.forget("the controller was connected or restarted", 0.95)
    for part in range(1, 30):  # the picture of the part before comes 20 ms after each trigger
        pairing.begin(Edge(part, 0.3 * part + 0.7))
        pairing.add(picture(part, 0.3 * part + 0.72))

        assert isinstance(pairing.find(), str)


def test_part_at_which_a_late_picture_came_shortly_before_ties_nothing():
    pairing = tied()
    pairing.forget("the controller was connected or restarted", 1.0)
    pairing.begin(Edge(20, 1.2))
    pairing.add(picture(110, 1.9))
    pairing.begin(Edge(21, 2.0))
    pairing.add(picture(111, 2.02))
    pairing.begin(Edge(22, 3.0))

    assert not pairing.is_tied


def test_camera_that_gives_every_picture_one_trigger_late_is_never_tied_and_must_be_opened_again():
    pairing = Pairing(LIMITS)
    for part in range(5):
        pairing.begin(Edge(10 + part, 2.0 * part))
        if part:
            pairing.add(picture(part, 2.0 * part + 0.02))
        assert not pairing.is_tied

    assert pairing.must_count_anew


def test_part_that_followed_at_once_puts_no_camera_in_doubt():
    pairing = Pairing(LIMITS)
    pairing.begin(Edge(10, 0.0))
    pairing.begin(Edge(11, 0.05))
    pairing.add(picture(100, 0.06))
    pairing.add(picture(101, 0.11))
    pairing.begin(Edge(12, 1.0))

    assert not pairing.must_count_anew


def test_camera_that_was_opened_again_is_paired_at_the_next_part_after_a_pause():
    pairing = Pairing(LIMITS)
    pairing.begin(Edge(10, 0.0))
    pairing.begin(Edge(11, 1.0))
    pairing.restart("the camera was opened again")
    pairing.begin(Edge(12, 2.0))
    pairing.add(picture(1, 2.02))
    pairing.begin(Edge(13, 3.0))

    assert pairing.is_tied
    assert not pairing.must_count_anew


def test_picture_lost_before_a_new_tie_asks_for_no_new_count_where_the_camera_was_known_to_be_in_time():
    pairing = tied()
    pairing.forget("the controller was connected or restarted", 1.0)
    pairing.begin(Edge(20, 2.0))
    pairing.begin(Edge(21, 3.0))
    pairing.add(picture(111, 3.02))
    pairing.begin(Edge(22, 4.0))

    assert pairing.is_tied


def test_first_part_has_no_picture_and_the_second_has_its_own():
    pairing = Pairing(LIMITS)
    pairing.begin(Edge(10, 0.0))
    pairing.add(picture(100, 0.02))
    assert str(pairing.find()).startswith("no trigger and picture were paired yet")

    pairing.begin(Edge(11, 1.0))
    pairing.add(picture(101, 1.02))

    found = pairing.find()
    assert isinstance(found, Frame)
    assert found.block_id == 101


def test_two_pictures_for_one_trigger_are_never_tied():
    pairing = Pairing(LIMITS)
    pairing.begin(Edge(10, 0.0))
    pairing.add(picture(100, 0.01))
    pairing.add(picture(101, 0.05))
    pairing.begin(Edge(11, 1.0))

    assert not pairing.is_tied
    assert "is the camera's own trigger on?" in pairing.why


def test_camera_without_numbers_is_told():
    pairing = Pairing(LIMITS)
    pairing.begin(Edge(10, 0.0))
    pairing.add(picture(None, 0.02))
    pairing.begin(Edge(11, 1.0))

    assert "does not number its pictures" in pairing.why


# --- with a tie


def test_picture_that_came_a_little_before_its_trigger_was_seen_is_found():
    pairing = tied()
    pairing.add(picture(101, 0.98))

    assert isinstance(pairing.find(), Frame)


def test_picture_is_found_although_the_station_saw_its_trigger_late():
    pairing = tied()
    pairing.add(picture(102, 2.01))
    pairing.begin(Edge(12, 2.15, since=2.0))

    assert isinstance(pairing.find(), Frame)


def test_picture_lost_on_the_way_costs_its_part_alone():
    pairing = tied()
    assert pairing.find() is None

    pairing.begin(Edge(12, 2.0))
    pairing.add(picture(102, 2.02))

    assert isinstance(pairing.find(), Frame)


def test_picture_that_is_merely_late_costs_its_part_alone():
    pairing = tied()
    pairing.add(picture(101, 1.2))
    assert pairing.find() == "its picture came 200 ms after its trigger; late_ms 100 allows less"

    pairing.begin(Edge(12, 2.0))
    pairing.add(picture(102, 2.02))

    assert isinstance(pairing.find(), Frame)


def test_picture_of_a_later_edge_is_not_taken_for_this_part():
    pairing = tied()
    pairing.add(picture(102, 1.02))

    assert pairing.find() == "the picture before number 102 was lost between camera and station"


def test_edge_that_the_camera_missed_is_noticed_at_the_next_part():
    pairing = tied()
    pairing.begin(Edge(12, 2.0))
    pairing.add(picture(101, 2.02))

    assert str(pairing.find()).startswith("picture 101 came at a trigger that is not its own; one side lost count")
    assert not pairing.is_tied


def test_picture_that_came_long_before_its_trigger_is_refused():
    pairing = tied()
    pairing.add(picture(102, 1.9))
    pairing.begin(Edge(12, 2.0))

    assert not pairing.is_tied
    assert str(pairing.find()).startswith("picture 102 came without a trigger of its own")


def test_extra_picture_loosens_the_tie_until_a_part_came_after_a_pause():
    pairing = tied()
    pairing.add(picture(101, 1.02))
    pairing.add(picture(102, 1.5))
    for sequence, at in ((12, 2.0), (13, 2.2), (14, 3.0)):
        pairing.begin(Edge(sequence, at))
        pairing.add(picture(sequence + 91, at + 0.02))
        if sequence < 14:
            continue
        assert isinstance(pairing.find(), Frame)


def test_parts_too_close_to_be_told_apart_are_not_decidable_and_the_next_one_is():
    pairing = tied()
    pairing.add(picture(101, 1.02))
    pairing.begin(Edge(12, 1.12))
    pairing.add(picture(102, 1.13))
    assert pairing.find() == "two parts came 120 ms apart; early_ms and late_ms ask for more than 130"

    pairing.begin(Edge(13, 2.0))
    pairing.add(picture(103, 2.02))

    assert isinstance(pairing.find(), Frame)


def test_part_counted_between_two_reads_costs_no_other_one_than_the_next():
    pairing = tied()
    pairing.add(picture(101, 1.02))
    pairing.add(picture(102, 1.2))
    pairing.begin(Edge(13, 1.4))
    pairing.add(picture(103, 1.42))
    assert pairing.find() == "2 parts were counted between two reads of the controller"

    pairing.begin(Edge(14, 2.0))
    pairing.add(picture(104, 2.02))

    assert isinstance(pairing.find(), Frame)


def test_count_that_jumps_far_gives_up_the_tie():
    pairing = tied()
    pairing.begin(Edge(40, 2.0))
    pairing.add(picture(130, 2.02))

    assert str(pairing.find()).startswith("the controller's count jumped by 29")


def test_camera_that_counts_from_the_start_again_is_noticed():
    pairing = tied()
    pairing.add(picture(101, 1.02))
    pairing.begin(Edge(12, 2.0))
    pairing.add(picture(1, 2.02))

    assert isinstance(pairing.find(), str)
    assert not pairing.is_tied


@pytest.mark.parametrize(("sequence", "block_id"), [(65534, 100), (10, 65534), (65534, 65534)])
def test_numbers_of_both_sides_may_begin_again(sequence: int, block_id: int):
    pairing = tied(sequence, block_id)
    for step in range(1, 4):
        if step > 1:
            pairing.begin(Edge((sequence + step - 1) % 65535 + 1, float(step)))
        pairing.add(picture((block_id + step - 1) % 65535 + 1, step + 0.02))
        assert isinstance(pairing.find(), Frame)
