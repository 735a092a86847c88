"""Findings about labels and amounts: classes, parts, pictures that look alike, labels that a model contradicts."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from partgate.data.doubts import Doubts
from partgate.data.findings import Finding, Severity, finding_id
from partgate.data.folder import Picture
from partgate.data.look_alikes import AlikePair, LookAlikes

_FEWEST_GROUPS = 3  # one for each side of the split
_FEW_GROUPS = 10
_FEW_PICTURES = 20
_MANY_PER_GROUP = 3
_ENOUGH = 12


def check_classes(pictures: Sequence[Picture], good_class: str | None, is_sorting: bool) -> list[Finding]:
    """Return what keeps a training from starting: no good class, a single class, parts under two labels."""
    counts = Counter(picture.label for picture in pictures)
    found = []
    if len(counts) < 2:
        facts = {"label": next(iter(counts)), "n": len(pictures)}
        found.append(Finding(finding_id("one_class", ()), "one_class", Severity.FIX, (), facts))
    elif good_class is None and not is_sorting:
        names = ", ".join(sorted(counts))
        found.append(Finding(finding_id("no_good_class", ()), "no_good_class", Severity.FIX, (), {"classes": names}))
    by_part: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        if picture.part:
            by_part[picture.part].append(picture)
    for part, members in by_part.items():
        labels = sorted({picture.label for picture in members})
        if len(labels) > 1:
            name = finding_id("part_two_labels", [picture.sha256 for picture in members], part)
            files = tuple(picture.file for picture in members)
            facts = {"part": part, "labels": " / ".join(labels)}
            found.append(Finding(name, "part_two_labels", Severity.FIX, files, facts))
    return found


def check_amounts(
    pictures: Sequence[Picture], good_class: str | None, groups: Mapping[str, str], are_known: bool
) -> list[Finding]:
    """Return classes with few pictures or parts, and those whose many pictures show few parts.

    Args:
        pictures: All of them.
        good_class: The good one, if any; all others together are the defects.
        groups: By file: pictures with the same group show the same part, given or found.
        are_known: A person said so, or it was looked for; else every picture counts as a part of its own.
    """
    members: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        members[picture.label].append(picture)
    parts = {label: {groups[one.file] for one in ones} for label, ones in members.items()}
    found = _too_few_to_split(members, parts, good_class)
    told = {str(finding.facts["label"]) for finding in found}
    for label, ones in sorted(members.items()):
        n, n_parts = len(ones), len(parts[label])
        facts = {"label": label, "n": n, "parts": n_parts}
        if n_parts < _FEW_GROUPS and label not in told:
            severity = Severity.LOOK if n_parts < _FEWEST_GROUPS else Severity.KNOW
            found.append(Finding(finding_id("few_groups", (), label), "few_groups", severity, (), facts))
        elif n < _FEW_PICTURES and label not in told:
            found.append(Finding(finding_id("few_pictures", (), label), "few_pictures", Severity.KNOW, (), facts))
        if are_known and n >= max(_ENOUGH, _MANY_PER_GROUP * n_parts):
            found.append(Finding(finding_id("few_parts", (), label), "few_parts", Severity.KNOW, (), facts))
    if not are_known:
        found.append(Finding(finding_id("groups_unknown", ()), "groups_unknown", Severity.KNOW))
    return found


def _too_few_to_split(
    members: Mapping[str, Sequence[Picture]], parts: Mapping[str, set[str]], good_class: str | None
) -> list[Finding]:
    """Return the sides of which training needs three groups: the good parts and all defects, or each class."""
    sides = {label: [label] for label in members}
    if good_class is not None:
        sides = {good_class: [good_class], "": [label for label in members if label != good_class]}
    found = []
    for side, labels in sides.items():
        n_parts = len(set().union(*(parts[label] for label in labels)))
        if labels and n_parts < _FEWEST_GROUPS:
            n = sum(len(members[label]) for label in labels)
            name = side or " / ".join(labels)
            facts = {"label": name, "n": n, "parts": n_parts, "least": _FEWEST_GROUPS}
            found.append(Finding(finding_id("too_few", (), name), "too_few", Severity.FIX, (), facts))
    return found


def check_alike(pictures: Sequence[Picture], alike: LookAlikes, has_groups: bool) -> list[Finding]:
    """Return groups of look-alikes, those that hang together by unsure pairs first.

    Where the user gave groups, only those that join pictures of several of them: they would stand on both sides of a
    split. What ``same_part`` joined already is one group and not asked again.

    Args:
        pictures: All of them.
        alike: What was found by looking.
        has_groups: The user gave groups.
    """
    members: dict[str, list[Picture]] = defaultdict(list)
    for picture in pictures:
        if picture.file in alike.groups:
            members[alike.groups[picture.file]].append(picture)
    unsure: dict[str, list[AlikePair]] = defaultdict(list)
    for pair in sorted(alike.unsure, key=lambda pair: pair.correlation):
        unsure[alike.groups[pair.first]].append(pair)
    found = []
    for name, together in sorted(members.items(), key=lambda group: -len(group[1])):
        n_groups = len({picture.group for picture in together})
        if n_groups > 1:
            found.append(_alike(together, unsure[name], n_groups, has_groups))
    return sorted(found, key=lambda finding: finding.severity != Severity.LOOK)


def _alike(together: Sequence[Picture], unsure: Sequence[AlikePair], n_groups: int, has_groups: bool) -> Finding:
    """Return one group of look-alikes; the two pictures of its weakest link come first."""
    facts: dict[str, float] = {"n": len(together), "groups": n_groups}
    kind, severity = ("alike_across", Severity.LOOK) if has_groups else ("alike", Severity.KNOW)
    files = [picture.file for picture in together]
    if unsure and not has_groups:
        kind, severity = "alike_unsure", Severity.LOOK
        facts |= {"unsure": len(unsure), "alike_share": unsure[0].correlation}
        files.sort(key=lambda file: file not in (unsure[0].first, unsure[0].second))
    name = finding_id(kind, [picture.sha256 for picture in together])
    pairs = tuple((pair.first, pair.second) for pair in unsure)
    return Finding(name, kind, severity, tuple(files), facts, pairs)


def check_doubts(doubts: Doubts) -> list[Finding]:
    """Return labels that a model contradicts which has not learned from the picture."""
    return [
        Finding(
            finding_id("doubtful_label", [doubt.picture.sha256], f"{doubt.picture.label} {doubt.instead}"),
            "doubtful_label",
            Severity.LOOK,
            (doubt.picture.file,),
            {
                "label": doubt.picture.label,
                "instead": doubt.instead,
                "seen_share": doubt.probability,
                "given_share": doubt.given,
                "agreed_share": doubts.agreed,
            },
        )
        for doubt in doubts.found
    ]
