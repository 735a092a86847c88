"""The controller in memory: a gate that judges as a PLC does."""

from partgate.controllers.block import State, StationWords
from partgate.controllers.memory import MemoryControllerConfig
from partgate.parts import Decision, Fault, Reason, Result, Trigger, Verdict

ONLINE = StationWords(1, State.ONLINE | State.TRIGGER_READY, Fault.NONE, 1)


def good(sequence: int = 1, boot: int = 1) -> Result:
    return Result(Trigger(boot, sequence, 200, 0.0, 0.2), Decision(Verdict.GOOD, Reason.MODEL), 0, 1)


def test_memory_controller_lets_a_part_pass_only_with_a_good_of_its_own_in_time():
    now = 0.0
    config = MemoryControllerConfig(kind="memory", interval_ms=100, window_ms=50)
    controller = type(config.open())(config, clock=lambda: now)
    with controller:
        controller.write_state(ONLINE)
        boot = controller.read().boot
        controller.send(good(sequence=1, boot=boot), ONLINE)
        now = 0.1
        assert controller.read().trigger_sequence == 2
        controller.send(good(sequence=1, boot=boot), ONLINE)
        now = 0.2
        assert controller.read().trigger_sequence == 3
        now = 0.26
        controller.send(good(sequence=3, boot=boot), ONLINE)
        now = 0.31
        assert controller.read().trigger_sequence == 4
        controller.send(good(sequence=4, boot=boot + 1), ONLINE)

    assert controller.lanes == {1: 1, 2: 0, 3: 0, 4: 0}
