"""Write docs/plc/words.md: every word, bit and code on the wire, under the name it has on each transport.

Run: python tools/make_plc_tables.py (a test fails where the page is out of date)
"""

import re
from enum import IntEnum
from pathlib import Path

from partgate.controllers.block import CONTROLLER_OFFSET, CONTROLLER_WORDS, STATION_WORDS, Command, State
from partgate.controllers.ethernetip import EthernetIpControllerConfig
from partgate.controllers.opcua import OpcuaControllerConfig
from partgate.controllers.opcua_link import CONTROLLER_WORDS as CONTROLLER_NAMES
from partgate.controllers.tcp import STATION_NAMES
from partgate.glossary import text
from partgate.parts import Fault, Reason, StationState, Verdict

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "plc" / "words.md"
_FIRST_HOLDING_REGISTER = 400001

_MEANINGS = {
    "VIS_HB": ("heartbeat, counts up every 100 ms", "Lebenszeichen, zählt alle 100 ms hoch"),
    "RES_SEQ": ("part this result belongs to, 0 = none yet", "Teil, zu dem dieses Ergebnis gehört, 0 = noch keines"),
    "VERDICT": ("verdict, see below", "Urteil, siehe unten"),
    "CLASS": ("number of the defect class, 65535 = unknown", "Nummer der Fehlerart, 65535 = unbekannt"),
    "LANE": ("lane, 0 = reject; a GOOD names a lane from 1 on", "Bahn, 0 = Ausschuss; GUT nennt eine Bahn ab 1"),
    "RES_BOOT": ("PLC_BOOT this result belongs to", "PLC_BOOT, zu dem dieses Ergebnis gehört"),
    "REASON": ("why, see below", "Grund, siehe unten"),
    "CHECK": ("check word, see below", "Prüfwort, siehe unten"),
    "STATE": ("bits of the station, see below", "Bits der Station, siehe unten"),
    "FAULT": ("fault, see below", "Störung, siehe unten"),
    "RECIPE_ACTIVE": ("number of the recipe in force", "Nummer des gültigen Rezepts"),
    "PLC_HB": ("heartbeat, counts up every 100 ms", "Lebenszeichen, zählt alle 100 ms hoch"),
    "TRIG_SEQ": ("part at the camera, 1 to 65535, then 1", "Teil an der Kamera, 1 bis 65535, dann 1"),
    "ACK_SEQ": ("last result taken or discarded", "letztes übernommene oder verworfene Ergebnis"),
    "CMD": ("bits of the controller, see below", "Bits der Steuerung, siehe unten"),
    "RECIPE": ("number of the recipe wanted, 0 = no wish", "Nummer des gewünschten Rezepts, 0 = kein Wunsch"),
    "WINDOW_MS": ("time allowed from trigger to result", "erlaubte Zeit vom Auslöser bis zum Ergebnis"),
    "PLC_BOOT": ("number of this start, never 0", "Nummer dieses Anlaufs, nie 0"),
    "N_GOOD": ("parts let into a good lane", "Teile in eine Gutbahn"),
    "N_REJECT": ("parts rejected at the gate", "am Tor ausgeschleuste Teile"),
    "N_TIMEOUT": ("parts without a result in time", "Teile ohne Ergebnis im Zeitfenster"),
    "N_LATE": ("results discarded", "verworfene Ergebnisse"),
    "N_OVERRUN": ("parts that came while one waited", "Teile, die kamen, während eines wartete"),
    "N_DAMAGED": ("results whose CHECK did not fit", "Ergebnisse mit unpassendem CHECK"),
    "N_STRAY": ("parts at the gate without a trigger", "Teile am Tor ohne Auslöser"),
    "N_MISSING": ("parts taken away on their way", "unterwegs entnommene Teile"),
    "LANE_OUT": ("lane of the part at the gate", "Bahn des Teils am Tor"),
    "PART_ID": ("optional, ASCII, two a word, first one high", "wahlfrei, ASCII, zwei je Wort, erstes oben"),
    "LOT": ("optional, ASCII, as PART_ID", "wahlfrei, ASCII, wie PART_ID"),
}  # fmt: skip
_IN_PROGRAMS = {
    "CLASS": "RES_CLASS", "LANE": "RES_LANE", "CHECK": "RES_CHECK", "STATE": "VIS_STATE", "FAULT": "VIS_FAULT",
}  # fmt: skip
"""Names in gate.st and gate.scl where they differ: the short ones are words of those languages or read badly there."""
_STATE_BITS = {
    State.ONLINE: ("the station runs", "die Station läuft"),
    State.TRIGGER_READY: ("takes the next part", "nimmt das nächste Teil an"),
    State.BUSY: ("judges a part or waits for its acknowledge", "beurteilt ein Teil oder wartet auf die Quittung"),
    State.FAULT: ("FAULT is not 0", "FAULT ist nicht 0"),
    State.OVERRUN: ("a part came too early", "ein Teil kam zu früh"),
    State.CAMERA_LOST: ("no camera", "keine Kamera"),
    State.RECIPE_READY: ("the recipe wanted is in force", "das gewünschte Rezept ist gültig"),
    State.SHADOW: ("judges, but writes no result", "beurteilt, schreibt aber kein Ergebnis"),
    State.LOCKED: ("locked by a person", "von einer Person gesperrt"),
    State.WARNING: ("a warning is in force", "eine Warnung liegt vor"),
}
_STATION_STATES = {
    StationState.PREOPERATIONAL: ("not running, or going offline", "läuft nicht oder geht offline"),
    StationState.HALTED: ("stopped by a person or a rule", "von einer Person oder Regel angehalten"),
    StationState.ERROR: ("a fault keeps it from taking parts", "eine Störung verhindert die Annahme"),
    StationState.INITIALIZED: ("runs, the controller asks for no parts", "läuft, die Steuerung fordert keine Teile an"),
    StationState.READY: ("takes the next trigger", "nimmt den nächsten Auslöser an"),
    StationState.SINGLE_EXECUTION: ("judges one part", "beurteilt ein Teil"),
    StationState.CONTINUOUS_EXECUTION: ("judges without single triggers", "beurteilt ohne einzelne Auslöser"),
}
_COMMAND_BITS = {
    Command.ENABLE: ("parts are to be judged", "Teile sollen beurteilt werden"),
    Command.CLEAR_FAULT: ("clear the fault", "Störung quittieren"),
    Command.CHANGE_RECIPE: ("change to RECIPE", "auf RECIPE wechseln"),
    Command.REJECT_NOT_CONFIRMED: ("nothing seen behind the ejector", "hinter dem Auswerfer nichts gesehen"),
    Command.BIN_FULL: ("the reject bin is full", "Ausschussbehälter voll"),
    Command.AIR_LOW: ("air pressure is low", "Luftdruck zu niedrig"),
}  # fmt: skip


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def counters() -> list[str]:
    """Return the names of offsets 23 to 31, which no driver reads, from the controller's program."""
    program = (ROOT / "docs/plc/gate.st").read_text(encoding="utf-8")
    found = {int(offset): name for name, offset in re.findall(r"^\s*(\w+) AT %MW(\d+) :", program, re.MULTILINE)}
    return [found[offset] for offset in range(23, 32)]


def words() -> list[tuple[int, int, str]]:
    """Return first offset, number of words and name of every entry of the block, in order."""
    rows = [(offset, 1, name) for offset, name in enumerate(STATION_NAMES)]
    assert len(rows) == STATION_WORDS
    names = [*CONTROLLER_NAMES, *counters()]
    rows += [(CONTROLLER_OFFSET + place, 1, name) for place, name in enumerate(names)]
    rows += [(CONTROLLER_OFFSET + 16, 16, "PART_ID"), (CONTROLLER_OFFSET + 32, 8, "LOT")]
    assert rows[-1][0] + rows[-1][1] == CONTROLLER_OFFSET + CONTROLLER_WORDS
    return rows


def page() -> str:
    """Return the text of the page."""
    node = OpcuaControllerConfig.model_fields["node"].default
    tags = [EthernetIpControllerConfig.model_fields[name].default for name in ("station_tag", "plc_tag")]
    lines = [
        "# Words, bits and codes · Wörter, Bits und Kennzahlen",
        "",
        "Written from the code by `tools/make_plc_tables.py`. Words are unsigned, 16 bits; addresses are for base 0,",
        "to which `first_register` or `first_byte` of the station file is added. Rules: [handshake](../handshake.md).",
        "Reduced profile (`serial`, `digital`, `tcp_text`): none of these words, see its driver's guide.",
        "",
        "Aus dem Code geschrieben. Wörter sind vorzeichenlos, 16 Bit; Adressen gelten für die Basis 0, zu der",
        "`first_register` oder `first_byte` der Stationsdatei hinzukommt.",
        "",
        "## Words · Wörter",
        "",
        f"OPC UA: variable `{node}`, UInt16 (`PART_ID`, `LOT`: String). JSON: the key on a `tcp` line, text for",
        "`PART_ID` and `LOT`. The second column is what the sample programs call a word.",
        "",
        "| offset | gate.st, gate.scl | Modbus | S7 | OPC UA | EtherNet/IP | JSON | meaning | Bedeutung |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_word_row(offset, count, name, tags) for offset, count, name in words()]
    lines += ["", "Offsets 11 to 15 are not used. The station writes 0 to 10, the controller 16 to 55.", ""]
    lines += [
        "`CHECK` = (`RES_SEQ` + 3·`VERDICT` + 7·`CLASS` + 11·`LANE` + 13·`RES_BOOT` + 17·`REASON` + 42330) mod 65536",
        "",
    ]
    lines += _bits("`STATE`", _STATE_BITS)
    lines += [
        "",
        "Bits 10 to 12 of `STATE`: the state by its name in OPC 40100-1 · Bits 10 bis 12: Zustand nach OPC 40100-1",
    ]
    lines += ["", "| number | `STATE` from | name | meaning | Bedeutung |", "|---|---|---|---|---|"]
    for state, (english, german) in _STATION_STATES.items():
        lines.append(f"| {int(state)} | {int(state) << 10} | {_camel(state.name)} | {english} | {german} |")
    lines += ["", *_bits("`CMD`", _COMMAND_BITS), ""]
    for title, kind, prefix in (
        ("`VERDICT`", Verdict, "verdict"),
        ("`REASON`", Reason, "reason"),
        ("`FAULT`", Fault, "fault"),
    ):
        lines += _codes(title, kind, prefix)
    return "\n".join(lines).rstrip() + "\n"


def _word_row(offset: int, count: int, name: str, tags: list[str]) -> str:
    last = offset + count - 1
    first_index, last_index = (
        (offset, last) if offset < CONTROLLER_OFFSET else (offset - CONTROLLER_OFFSET, last - CONTROLLER_OFFSET)
    )
    tag = tags[offset >= CONTROLLER_OFFSET]
    is_on_nodes = name in (*STATION_NAMES, *CONTROLLER_NAMES, "PART_ID", "LOT")
    cells = [
        _span(offset, last, "{}"),
        f"`{_IN_PROGRAMS.get(name, name)}`",
        _span(_FIRST_HOLDING_REGISTER + offset, _FIRST_HOLDING_REGISTER + last, "{}"),
        _span(2 * offset, 2 * last, "DBW{}"),
        f"`{name}`" if is_on_nodes else "–",
        _span(first_index, last_index, tag + "[{}]"),
        f"`{name}`" if is_on_nodes else "–",
        *_MEANINGS[name],
    ]
    return "| " + " | ".join(cells) + " |"


def _span(first: int, last: int, form: str) -> str:
    return form.format(first) if first == last else f"{form.format(first)} – {form.format(last)}"


def _bits(title: str, bits: dict[State, tuple[str, str]] | dict[Command, tuple[str, str]]) -> list[str]:
    rows = [
        f"| {int(bit).bit_length() - 1} | {int(bit)} | {bit.name} | {en} | {de} |" for bit, (en, de) in bits.items()
    ]
    return [f"## {title}", "", "| bit | value | name | meaning | Bedeutung |", "|---|---|---|---|---|", *rows]


def _codes(title: str, kind: type[IntEnum], prefix: str) -> list[str]:
    rows = []
    for code in kind:
        key = f"{prefix}.{code.name if kind is Verdict else code.value}"
        rows.append(f"| {code.value} | {code.name} | {text(key, 'en')} | {text(key, 'de')} |")
    return [f"## {title}", "", "| number | name | meaning | Bedeutung |", "|---|---|---|---|", *rows, ""]


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


if __name__ == "__main__":
    main()
