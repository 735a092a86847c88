"""The run page's own charts as SVG text: losses side by side, and loss round by round."""

from collections.abc import Mapping, Sequence
from html import escape

from partgate.glossary import format_number, format_score, printable, text
from partgate.pages.svg import (
    ACCENT_HEX,
    FAINT,
    INK,
    MUTED,
    Axis,
    draw_line,
    draw_rectangle,
    wrap_svg,
    write_text,
)
from partgate.training.fine_tune import Epoch
from partgate.training.tuning import Kind

_KIND_IDS: dict[Kind, str] = {"frozen": "frozen", "fine-tuned": "fine_tuned", "mean of both": "both"}
_OTHER_BAR = "#c3c9cf"
_LINE_PX = 16.0  # labels nearer to each other than this cannot be read
_MOST_TICKS = 12
_STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0)


def name_kind(kind: Kind, language: str) -> str:
    """Return what a kind of model is called."""
    return text(f"training_page.kind.{_KIND_IDS[kind]}", language)


def losses_svg(losses: Mapping[Kind, float], chosen: Kind, guess: float | None, language: str) -> str:
    """Draw what could be chosen as bars side by side, the chosen one dark and framed.

    Args:
        losses: Out-of-fold log losses.
        chosen: One of them.
        guess: What guessing reaches, as a dashed line; None draws none.
        language: Of labels and numbers.
    """
    left, right, top, row = 190.0, 500.0, 34.0, 34.0
    place = Axis(0.0, 1.05 * max([*losses.values(), guess or 0.0, 1e-9]), left, right)
    bottom = top + row * len(losses)
    shapes = [write_text(0, 14, text("training_page.loss", language), 12, MUTED)]
    for index, (kind, loss) in enumerate(losses.items()):
        y, is_chosen = top + row * index, kind == chosen
        weight, written = 600 if is_chosen else 400, format_score(loss, language)
        fill, edge = (ACCENT_HEX, INK) if is_chosen else (_OTHER_BAR, "")
        shapes.append(write_text(left - 12, y + 16, name_kind(kind, language), anchor="end", weight=weight))
        shapes.append(draw_rectangle(left, y, max(place(loss) - left, 1.0), 22, fill, edge, 1.5))
        shapes.append(write_text(place(loss) + 8, y + 16, written, weight=weight, halo=True))
    if guess is not None:
        said = text("training_page.loss.guess", language, loss=format_score(guess, language))
        shapes.append(draw_line(place(guess), top - 6, place(guess), bottom, MUTED, 1.5, "5 4"))
        shapes.append(write_text(place(guess), bottom + 14, said, 12, MUTED, "middle"))
    shapes.append(draw_line(left, top - 6, left, bottom, INK))
    return wrap_svg(560, bottom + 22, text("training_page.loss", language), shapes)


def curves_svg(history: Sequence[Epoch], best: int, frozen_loss: float, language: str) -> str:
    """Draw the loss while learning and out of fold, round by round, with the round that was kept.

    Args:
        history: At least one round.
        best: Number of the round that was kept.
        frozen_loss: Out-of-fold loss before fine-tuning, as a level line.
        language: Of labels and numbers.
    """
    losses = [loss for epoch in history for loss in (epoch.learned_loss, epoch.out_of_fold_loss)]
    step = next(size for size in _STEPS if size * 5 >= max(*losses, frozen_loss) or size == _STEPS[-1])
    across, up = Axis(1.0, max(2.0, history[-1].number), 52.0, 420.0), Axis(0.0, 5 * step, 236.0, 30.0)
    learned = [(epoch.number, epoch.learned_loss) for epoch in history]
    held_out = [(epoch.number, epoch.out_of_fold_loss) for epoch in history]
    ends = {"frozen": frozen_loss, "learned": learned[-1][1], "out_of_fold": held_out[-1][1]}
    kept = text("training_page.curves.kept", language, n=best)
    shapes = [
        *_frame(across, up, step, [epoch.number for epoch in history], language),
        draw_line(across(best), up.right - 8, across(best), up.left, INK, 1.5),
        write_text(across(best), up.right - 14, kept, 12, INK, "start" if best == 1 else "middle", 600),
        draw_line(across.left, up(frozen_loss), across.right, up(frozen_loss), MUTED, 1.5, "2 4"),
        *_curve(learned, across, up, MUTED, "6 4", "learned", best, language),
        *_curve(held_out, across, up, ACCENT_HEX, "", "out_of_fold", best, language),
    ]
    for name, y in _apart({name: up(loss) for name, loss in ends.items()}).items():
        ink, weight = (ACCENT_HEX, 600) if name == "out_of_fold" else (MUTED, 400)
        shapes.append(write_text(across.right + 12, y + 4, text(f"training_page.curves.{name}", language), 12, ink,
                                 weight=weight))  # fmt: skip
    return wrap_svg(560, up.left + 44, text("training_page.section.curves", language), shapes)


def _frame(across: Axis, up: Axis, step: float, rounds: Sequence[int], language: str) -> list[str]:
    digits = 2 if step < 0.1 else 1 if step < 1 else 0
    shapes = []
    for line in range(6):
        y = up(line * step)
        shapes.append(draw_line(across.left, y, across.right, y, FAINT if line else INK))
        shapes.append(write_text(across.left - 10, y + 4, format_number(line * step, language, digits), 12, MUTED,
                                 "end"))  # fmt: skip
    every = -(-len(rounds) // _MOST_TICKS)
    for number in rounds[::every]:
        shapes.append(write_text(across(number), up.left + 18, str(number), 12, MUTED, "middle"))
    middle = (across.left + across.right) / 2
    return [
        *shapes,
        write_text(middle, up.left + 38, text("training_page.curves.round", language), 12, MUTED, "middle"),
    ]


def _curve(
    points: Sequence[tuple[int, float]], across: Axis, up: Axis, ink: str, dashes: str, name: str, best: int,
    language: str,
) -> list[str]:  # fmt: skip
    """Draw one curve with a point per round that says its number; the round that was kept has a large one."""
    path = " ".join(f"{across(number):.1f},{up(loss):.1f}" for number, loss in points)
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    shapes = [f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="2"{dashed}/>']
    for number, loss in points:
        said = text(
            "training_page.curves.point", language, what=text(f"training_page.curves.{name}", language), n=number,
            loss=format_score(loss, language),
        )  # fmt: skip
        size = 6 if number == best and not dashes else 3.5
        circle = f'<circle cx="{across(number):.1f}" cy="{up(loss):.1f}" r="{size}" fill="{ink}" stroke="#ffffff"/>'
        shapes.append(f"<g><title>{escape(printable(said))}</title>{circle}</g>")
    return shapes


def _apart(places: Mapping[str, float]) -> dict[str, float]:
    """Return the heights of labels moved apart, in their order, so that each can be read."""
    moved: dict[str, float] = {}
    lowest = float("-inf")
    for name in sorted(places, key=places.__getitem__):
        lowest = max(places[name], lowest + _LINE_PX)
        moved[name] = lowest
    return moved
