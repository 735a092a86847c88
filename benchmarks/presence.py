"""Parts on a belt, made from real pictures, counted by the trigger `presence`.

Measured: parts judged, declared as not decidable, missed and judged twice, by speed, gap, touching parts and direction,
with camera noise of 5 grey values and light that flickers by 5 %; processor time per picture. The size of a part is
given, as a station file in use has it. No picture is kept.
"""

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from belt import RATE, VIEW, Belt, middle_part, pictures, real_parts
from figures import format_table

from partgate.parts import Frame
from partgate.station.presence import Presence
from partgate.station.presence_settings import PresenceSettings, What

SETS = {"casting_impeller": True, "toy_figure": False, "screw_presence": False}
LENGTH_PX, PARTS, SEED = 150, 10, 2
STEPS_PX = (10, -20, 40, 80, 110)
GAPS_PX = {"gap 150 px": [150.0] * PARTS, "gap 40 px": [40.0] * PARTS, "gap 10 px": [10.0] * PARTS,
           "gap 5 px": [150.0, 150.0] + [5.0] * (PARTS - 2), "touching pairs": [150.0, 0.0] * (PARTS // 2),
           "touching row": [150.0, 150.0] + [0.0] * (PARTS - 2)}  # fmt: skip


def measure(folder: Path) -> list[dict[str, Any]]:
    """Return a row per set, speed and gap."""
    rows = []
    for name, is_round in SETS.items():
        parts = real_parts(folder / name, 2 * PARTS, LENGTH_PX, is_round=is_round)[PARTS:]
        share = sum(float((mask > 0).sum()) for _, mask in parts) / len(parts) / (VIEW[0] * VIEW[1])
        for gap, gaps in GAPS_PX.items():
            for step in STEPS_PX:
                belt = Belt(step, gaps, noise=5, flicker=0.05, seed=SEED)
                found, shown, ms = count(pictures(parts, belt), share)
                judged, undecided = len(shown), found[What.NOT_DECIDABLE]
                twice = judged - len({middle_part(parts, belt, number) for number in shown})
                rows.append({
                    "set": name, "gap": gap, "step_px": step, "parts": PARTS, "judged": judged,
                    "not_decidable": undecided, "twice": twice, "off_by": judged + undecided - PARTS,
                    "cpu_ms": round(ms, 1),
                })  # fmt: skip
    return rows


def count(stream: Any, share: float) -> tuple[Counter[What], list[int], float]:
    """Return what was noticed in a stream, the numbers of the judged pictures, processor milliseconds per picture."""
    presence, found, shown = Presence(PresenceSettings(part_share=share)), Counter[What](), list[int]()
    spent, seen = 0.0, 0
    for number, image in enumerate(stream):
        frame, began = Frame(image, datetime.now(UTC), "belt", source=str(number)), time.process_time()
        events = presence.see(frame, number / RATE)
        spent, seen = spent + time.process_time() - began, seen + 1
        found.update(event.what for event in events)
        shown += [int(event.frame.source or 0) for event in events if event.frame is not None]
    return found, shown, 1000 * spent / max(1, seen)


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a table: judged + not decidable of so many parts, per speed."""
    heads = ["set", "parts", *(f"{step / VIEW[1]:+.1%} of the view" for step in STEPS_PX)]
    by_place = {(row["set"], row["gap"], row["step_px"]): row for row in rows}
    cells = [[name, gap, *(_cell(by_place[name, gap, step]) for step in STEPS_PX)] for name in SETS for gap in GAPS_PX]
    return format_table(heads, cells)


def _cell(row: dict[str, Any]) -> str:
    off = f" ({row['off_by']:+d})" if row["off_by"] else ""
    twice = f" [{row['twice']} twice]" if row["twice"] else ""
    return f"{row['judged']} + {row['not_decidable']}{off}{twice}"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("PARTGATE_DATA") or default), help="the sets")
    parser.add_argument("--out", type=Path, help="write the rows as JSON")
    arguments = parser.parse_args()
    rows = measure(arguments.data)
    print(table(rows))
    print(f"processor time per picture of 640 x 480: {sum(row['cpu_ms'] for row in rows) / len(rows):.1f} ms")
    if arguments.out:
        arguments.out.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
