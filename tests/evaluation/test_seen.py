"""Which pictures had a say in a gate: by their bytes, by their group, by the limits chosen on them."""

from pathlib import Path

from partgate.data.folder import Picture
from partgate.data.split import Standing
from partgate.evaluation.seen import Seen, known_pictures
from partgate.recipe import ChosenOn, Limits


def picture(name: str, group: str | None = None) -> Picture:
    return Picture(Path(name), name, "good", sha256=f"{name:0>64}", group=group or f"picture {name}")


def gate(
    learned: tuple[str, ...] = (), limits: tuple[str, ...] = (), standings: dict[str, tuple[str, str]] | None = None
) -> Seen:
    hashes = tuple(f"{name:0>64}"[:16] for name in limits)
    chosen_on = ChosenOn(parts=len(limits), pictures=len(limits), picture_sha256=hashes)
    decision = Limits(recheck_from=0.5, reject_from=0.5, chosen_on=chosen_on)
    return Seen(
        frozenset(f"{name:0>64}" for name in learned),
        decision,
        {f"{name:0>64}": Standing(side, group) for name, (side, group) in (standings or {}).items()},
    )


def test_picture_learned_from_is_known_and_others_are_not():
    assert known_pictures([picture("a"), picture("b")], [gate(learned=("a",)), gate()]) == [{"a"}, set()]


def test_picture_that_chose_the_limits_is_known_by_the_first_digits_of_its_hash():
    name = "1" * 64
    assert known_pictures([picture(name), picture("b")], [gate(limits=(name,))]) == [{name}]


def test_picture_in_a_group_with_one_learned_from_is_known_too():
    pictures = [picture("a", "part 7"), picture("b", "part 7"), picture("c", "part 8")]

    assert known_pictures(pictures, [gate(learned=("a",))]) == [{"a", "b"}]


def test_new_picture_of_a_named_part_that_was_learned_from_is_known_though_the_old_one_is_gone():
    standings = {"a": ("train", "part 7")}

    assert known_pictures([picture("new", "part 7")], [gate(learned=("a",), standings=standings)]) == [{"new"}]


def test_numbered_group_means_another_one_in_each_run():
    standings = {"a": ("train", "look-alike 1")}
    gates = [gate(learned=("a",), standings=standings), gate(standings={"new": ("test", "look-alike 1")})]

    assert known_pictures([picture("new")], gates) == [set(), set()]


def test_what_one_run_found_alike_is_alike_for_the_other():
    old = gate(learned=("a",))
    new = gate(standings={"a": ("test", "look-alike 3"), "b": ("test", "look-alike 3")})

    assert known_pictures([picture("a"), picture("b"), picture("c")], [old, new]) == [{"a", "b"}, set()]
