"""Whether the weights of a file are those of an architecture, and if not, in what they differ."""

from collections.abc import Collection, Mapping

from registry.refusals import N_, Refused

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

_SHOWN = 5
_COUNTER = ".num_batches_tracked"  # of batch normalisation; not there in files before torch 0.4.1


def check_fit(architecture: str, num_classes: int, wanted: Shapes, found: Shapes) -> None:
    """Refused unless both hold the same names with the same shapes."""
    missing = [n for n in wanted if n not in found and not n.endswith(_COUNTER)]
    unexpected = [name for name in found if name not in wanted]
    reshaped = [name for name in wanted if name in found and wanted[name] != found[name]]
    if not (missing or unexpected or reshaped):
        return
    if not (missing or unexpected):
        _check_head(num_classes, {name: (wanted[name], found[name]) for name in reshaped})
    raise Refused(
        N_(
            "The weights do not fit “%(architecture)s”. Missing: %(missing)s. Unexpected: "
            "%(unexpected)s. Of another shape: %(reshaped)s."
        ),
        architecture=architecture,
        missing=_some(missing),
        unexpected=_some(unexpected),
        reshaped=_some([_difference(name, wanted[name], found[name]) for name in reshaped]),
    )


def _check_head(num_classes: int, differences: Mapping[str, tuple[Shape, Shape]]) -> None:
    """Refused with the file's number of classes, where that is all that differs."""
    classes = {_classes(num_classes, *shapes) for shapes in differences.values()}
    if len(classes) == 1 and (found := classes.pop()) is not None:
        raise Refused(
            N_("The file has %(found)s classes, not %(wanted)s: send num_classes=%(found)s."),
            found=found,
            wanted=num_classes,
        )


def _classes(num_classes: int, wanted: Shape, found: Shape) -> int | None:
    """The file's length of the axis of classes, the first, where no other axis differs."""
    if not wanted or not found or wanted[0] != num_classes or wanted[1:] != found[1:]:
        return None
    return found[0]


def _difference(name: str, wanted: Shape, found: Shape) -> str:
    return f"{name} {list(found)} ≠ {list(wanted)}"


def _some(names: Collection[str]) -> str:
    """Up to five names, and how many more there are."""
    if not names:
        return "–"
    shown = ", ".join(list(names)[:_SHOWN])
    rest = len(names) - _SHOWN
    return f"{shown} (+{rest})" if rest > 0 else shown
