"""The accept gate: the controller's side of the handshake, scan by scan, as the sample program ``gate.st`` does it.

Silence means reject: the output is on only while a part with a GOOD of its own, in time, covers the gate sensor.
Names and order of events are those of the sample program, so that the two can be read side by side.
"""

from collections import Counter
from collections.abc import Sequence

from partgate.simulate.gate_values import GateSettings, ListedPart, TakenResult
from partgate.simulate.words import BLOCK_WORDS, COUNTERS, GOOD, Command, Word, next_number, result_check

HEARTBEAT_MS = 100


class Gate:
    """One start of the controller: inputs and memory in, one scan, outputs and memory out.

    Not thread-safe: whoever scans it also guards its memory.

    Args:
        boot: ``PLC_BOOT`` of this start, 1..65535; must differ from the last start's, or an old result would fit.
        settings: Times of the line.
        memory: What the memory still holds from before, 64 words; zeros where left out. Nothing found in it counts
            as heard from the station.

    Attributes:
        part_at_camera: Input, the sensor at the camera.
        part_at_gate: Input, the sensor at the gate.
        commands: Inputs that go out as ``CMD``: the operating-mode switch (enable, on at first), buttons, reports.
        heartbeat_stands: Fault, ``PLC_HB`` no longer counts.
        skipped: Fault, so many numbers more are left out by the next part's ``TRIG_SEQ``.
        accept: Output, energised = good lane.
        watchdog_fault: Output, no heartbeat from the station.
        judged: The listed part that the part at the gate was taken for; none for a stray.
        memory: The 64 words of the handshake.
        scans: Number of scans since the start.
        counted: What the counters' words counted since the start, without their wrap at 65536.

    Source:
        Own: the sample program ``gate.st`` (IEC 61131-3 Structured Text).
    """

    def __init__(self, boot: int, settings: GateSettings | None = None, memory: Sequence[int] | None = None) -> None:
        if not 1 <= boot <= 65535:
            raise ValueError(f"boot must be 1..65535, got {boot}")
        if memory is not None and len(memory) != BLOCK_WORDS:
            raise ValueError(f"memory must hold {BLOCK_WORDS} words, got {len(memory)}")
        self.settings = settings or GateSettings()
        self.memory = list(memory) if memory is not None else [0] * BLOCK_WORDS
        self.part_at_camera = False
        self.part_at_gate = False
        self.commands = Command.ENABLE
        self.heartbeat_stands = False
        self.skipped = 0
        self.accept = False
        self.judged: ListedPart | None = None
        self.watchdog_fault = True  # ends only with a change of the heartbeat
        self.scans = 0
        self.counted: Counter[str] = Counter()
        self._reset_words(boot)
        self._heartbeat_scans = 0
        self._vis_hb_last = self.memory[Word.VIS_HB]
        self._vis_hb_scans = self.settings.watchdog_scans
        self._taken = (0, 0, 0)  # sequence, boot, check of the last intact block, so that each is handled once
        self._damaged = (0, 0, 0)  # sequence, sum, check of the last damaged block, so that each is counted once
        self._pending = False  # the newest part still waits for its result
        self._pending_scans = 0
        self._list = [ListedPart() for _ in range(self.settings.list_size)]  # a ring, oldest at head
        self._head = 0
        self._newest = 0
        self._on_way = 0
        self._lost_track = False  # after an overflow, until the line has run empty
        self._camera_was_covered = False
        self._gate_was_covered = False
        self._camera_quiet = 0
        self._camera_covered = 0
        self._gate_covered = 0

    def _reset_words(self, boot: int) -> None:
        self.memory[Word.PLC_BOOT] = boot
        for word in (Word.TRIG_SEQ, Word.ACK_SEQ, Word.LANE_OUT, *COUNTERS.values()):
            self.memory[word] = 0
        if self.memory[Word.WINDOW_MS] == 0:
            self.memory[Word.WINDOW_MS] = self.settings.window_ms

    @property
    def counters(self) -> dict[str, int]:
        """Return good, reject, timeout, late, overrun, damaged, stray and missing as counted since the start."""
        return {name: self.memory[word] for name, word in COUNTERS.items()}

    @property
    def on_way(self) -> int:
        """Return the number of parts that the controller believes between camera and gate."""
        return self._on_way

    def scan(self) -> None:
        """Run one scan: read the inputs and the station's words, write the outputs and the controller's words."""
        self.scans += 1
        self.memory[Word.CMD] = int(self.commands)
        self._watch_heartbeats()
        self._age_parts()
        self._take_result()
        self._close_window()
        self._watch_camera()
        self._forget_all_if_station_lost()
        self._watch_gate()

    def _count(self, counter: Word) -> None:
        self.memory[counter] = (self.memory[counter] + 1) % 65536
        self.counted[counter.name] += 1

    def _watch_heartbeats(self) -> None:
        """Count up our own heartbeat; the station's must change, and a fault ends only with a change."""
        self._heartbeat_scans += 1
        if self._heartbeat_scans * self.settings.scan_ms >= HEARTBEAT_MS:
            self._heartbeat_scans = 0
            if not self.heartbeat_stands:
                self._count(Word.PLC_HB)
        if self.memory[Word.VIS_HB] != self._vis_hb_last:
            self._vis_hb_last = self.memory[Word.VIS_HB]
            self._vis_hb_scans = 0
            self.watchdog_fault = False
        elif self._vis_hb_scans < self.settings.watchdog_scans:
            self._vis_hb_scans += 1
        else:
            self.watchdog_fault = True

    def _age_parts(self) -> None:
        """Let the parts grow older; who has not come by the longest travel time was taken away, at most one a scan."""
        for part in self._list:
            if part.age <= self.settings.travel_max_scans:
                part.age += 1
        if self._on_way > 0 and self._list[self._head].age > self.settings.travel_max_scans:
            self._drop_head()
            self._count(Word.N_MISSING)

    def _drop_head(self) -> None:
        self._head = (self._head + 1) % self.settings.list_size
        self._on_way -= 1

    def _take_result(self) -> None:
        """Take the result: a damaged one is never acknowledged, an intact one always, if only to discard it."""
        sequence = self.memory[Word.RES_SEQ]
        if sequence == 0:
            return
        boot, check, fitting = self.memory[Word.RES_BOOT], self.memory[Word.RES_CHECK], result_check(self.memory)
        if check != fitting:
            if self._damaged != (sequence, fitting, check):
                self._damaged = (sequence, fitting, check)
                self._count(Word.N_DAMAGED)
            return
        if self._taken == (sequence, boot, check):
            return
        self._taken = (sequence, boot, check)
        self.memory[Word.ACK_SEQ] = sequence
        if not self._is_awaited(sequence, boot):
            self._count(Word.N_LATE)
            return
        self._pending = False
        part = self._list[self._newest]
        verdict, part.lane = self.memory[Word.VERDICT], self.memory[Word.RES_LANE]
        part.ok = verdict == GOOD and part.lane > 0  # a GOOD without a lane is none
        part.result = TakenResult(sequence, boot, verdict, part.lane, self._pending_scans + 1)

    def _is_awaited(self, sequence: int, boot: int) -> bool:
        """Say whether the result is the pending part's own, of this start, from a station that lives."""
        return (
            self._pending
            and sequence == self.memory[Word.TRIG_SEQ]
            and sequence == self._list[self._newest].sequence
            and boot == self.memory[Word.PLC_BOOT]
            and not self.watchdog_fault
        )

    def _close_window(self) -> None:
        """Stop waiting when the window is over or the part has left unanswered: it stays reject."""
        if not self._pending:
            return
        self._pending_scans += 1
        if self._pending_scans > self.memory[Word.WINDOW_MS] // self.settings.scan_ms or self._on_way == 0:
            self._pending = False
            self._count(Word.N_TIMEOUT)

    def _watch_camera(self) -> None:
        """Put a new part on the list as reject; a sensor covered for too long makes it reject again."""
        rises = self.part_at_camera and not self._camera_was_covered
        self._camera_was_covered = self.part_at_camera
        if self.part_at_camera:
            self._camera_quiet = 0
        elif self._camera_quiet <= self.settings.travel_max_scans:
            self._camera_quiet += 1
        if self._camera_quiet > self.settings.travel_max_scans:
            self._lost_track = False  # whatever was on the way has left or is gone
        if rises:
            self._enter_part()
            self._camera_covered = 0
        if self.part_at_camera and self._camera_covered <= self.settings.part_max_scans:
            self._camera_covered += 1
            if self._camera_covered > self.settings.part_max_scans:  # parts that touch: one verdict for two is none
                self._list[self._newest].ok = False
                self._pending = False

    def _enter_part(self) -> None:
        self.memory[Word.TRIG_SEQ] = next_number((self.memory[Word.TRIG_SEQ] + self.skipped) % 65535)
        self.skipped = 0
        if self._pending:
            self._pending = False
            self._count(Word.N_OVERRUN)
        if self._on_way == self.settings.list_size:
            self._on_way = 0
            self._lost_track = True
        if self._lost_track:
            return
        self._newest = (self._head + self._on_way) % self.settings.list_size
        self._on_way += 1
        self._list[self._newest] = ListedPart(sequence=self.memory[Word.TRIG_SEQ])
        self._pending = True
        self._pending_scans = 0

    def _forget_all_if_station_lost(self) -> None:
        """While the watchdog is tripped nothing that is on its way can become good any more."""
        if not self.watchdog_fault:
            return
        self._pending = False
        self._close_gate()
        for part in self._list:
            part.ok = False

    def _close_gate(self) -> None:
        self.accept = False
        self.memory[Word.LANE_OUT] = 0

    def _watch_gate(self) -> None:
        """Act on the verdict of the oldest part if its age fits, for as long as one part can cover the sensor."""
        rises = self.part_at_gate and not self._gate_was_covered
        self._gate_was_covered = self.part_at_gate
        if rises:
            self._close_gate()
            self._gate_covered = 0
            self.judged = None
            if self._on_way == 0 or self._list[self._head].age < self.settings.travel_min_scans:
                self._count(Word.N_STRAY)
            else:
                self._judge_head()
        if self.part_at_gate:
            self._gate_covered += 1
        if not self.part_at_gate or self._gate_covered > self.settings.part_max_scans:
            self._close_gate()
            self._gate_covered = self.settings.part_max_scans

    def _judge_head(self) -> None:
        """Open only if every part whose age fits is good for the same lane: the sensor cannot tell which one it is."""
        head = self.judged = self._list[self._head]
        ring = [self._list[(self._head + step) % self.settings.list_size] for step in range(self._on_way)]
        candidates = [part for part in ring if part.age >= self.settings.travel_min_scans]
        self.accept = all(part.ok and part.lane == head.lane for part in candidates)
        if self.accept:
            self.memory[Word.LANE_OUT] = head.lane
            self._count(Word.N_GOOD)
        else:
            self._count(Word.N_REJECT)
        self._drop_head()
