"""Keeps the rows that searches look at true to their versions."""

from collections.abc import Callable

from django.db import transaction

from registry.models import Label, LabelSet, ModelVersion, VersionMetric, VersionText
from registry.searching import rows

_AT_ONCE = 1000  # rows of one statement


def metrics_index(version: ModelVersion) -> None:
    """Write a version's metrics as rows, in place of those that there were."""
    with transaction.atomic():
        version.metric_rows.all().delete()
        found = rows.metric_numbers(version.metrics)
        made = [VersionMetric(version=version, name=name, value=found[name]) for name in found]
        # Some databases find more names equal (“é”, “e”) than Python does: they keep one.
        VersionMetric.objects.bulk_create(made, batch_size=_AT_ONCE, ignore_conflicts=True)


def text_index(version: ModelVersion) -> None:
    """Write down what words are looked for in."""
    parts = (version.model.name, version.version, version.architecture, version.description)
    text = rows.version_text(*parts)
    VersionText.objects.update_or_create(version=version, defaults={"text": text})


def labels_index(version: ModelVersion) -> None:
    """Lead a version to the rows of its labels, which are written once for the same list."""
    if not version.labels and version.label_set_id is None:
        return
    with transaction.atomic():
        found = labels_ensure(version.labels) if version.labels else None
        if version.label_set_id != (found and found.pk):
            version.label_set = found
            ModelVersion.everything.filter(pk=version.pk).update(label_set=found)


def labels_ensure(labels: list[str]) -> LabelSet:
    """The set of a list of labels, with its rows; it stays until the caller's transaction ends."""
    with transaction.atomic():
        sets = LabelSet.objects.select_for_update()
        found, created = sets.get_or_create(digest=rows.labels_digest(labels))
        if created:
            made = [Label(label_set=found, text=text) for text in rows.label_texts(labels)]
            Label.objects.bulk_create(made, batch_size=_AT_ONCE)
    return found


def labels_free(stop: Callable[[], bool]) -> None:
    """Delete the sets of labels that no version has any more, until `stop` says so."""
    unused = LabelSet.objects.filter(versions=None)
    for pk in list(unused.values_list("pk", flat=True)):
        if stop():
            return
        with transaction.atomic():
            LabelSet.objects.select_for_update().filter(pk=pk).first()
            unused.filter(pk=pk).delete()
