"""A search as conditions of the database, for models and for versions."""

from functools import reduce
from operator import and_, or_

from django.db.models import BinaryField, Exists, OuterRef, Q, Value
from django.db.models.functions import StrIndex

from registry.models import ModelTag, ModelVersion, VersionText
from registry.searching.fields import Of, field_of
from registry.searching.language import And, Node, Not, Or, Term, Word, parse
from registry.searching.rows import folded

FEW = 500  # versions


def models_where(text: str) -> Q:
    """The models that a search finds; `SearchRefused` where it cannot be read.

    A term about versions finds models that have a live version of which it holds; terms that stand
    together must hold of the same version. After `not` there must be no such version.
    """
    return _models(parse(text))


def versions_where(text: str) -> Q:
    """The versions that a search finds; terms about models look at the version's model."""
    return _versions(parse(text))


def _versions(node: Node) -> Q:
    match node:
        case Word():
            return _holding([node])
        case Term():
            field = field_of(node)
            return field.condition(node, "model__" if field.of is Of.MODEL else "")
        case Not():
            return ~_versions(node.node)
        case And():
            words = [part for part in node.nodes if isinstance(part, Word)]
            others = (_versions(part) for part in node.nodes if not isinstance(part, Word))
            return reduce(and_, others, _holding(words) if words else Q())
        case Or():
            return reduce(or_, map(_versions, node.nodes))


def _models(node: Node) -> Q:
    if _of_versions(node):
        return Q(Exists(ModelVersion.objects.filter(_versions(node), model=OuterRef("pk"))))
    match node:
        case Word():
            tagged = ModelTag.objects.filter(name__icontains=node.text).values("model_id")
            return _anywhere(node.text, "name", "description") | Q(pk__in=tagged)
        case Term():
            return field_of(node).condition(node)
        case Not():
            return ~_models(node.node)
        case And():
            return reduce(and_, map(_models, _grouped(node)), Q())
        case Or():
            return reduce(or_, map(_models, node.nodes))


def _grouped(node: And) -> list[Node]:
    """The nodes of an `and`, those about versions as one."""
    about = tuple(part for part in node.nodes if _of_versions(part))
    others = [part for part in node.nodes if not _of_versions(part)]
    return [*others, And(about)] if about else others


def _of_versions(node: Node) -> bool:
    """Whether it speaks of versions alone, and says that there is one."""
    match node:
        case Term():
            return field_of(node).of is Of.VERSION
        case And() | Or():
            return bool(node.nodes) and all(map(_of_versions, node.nodes))
    return False


def _holding(words: list[Word]) -> Q:
    """The versions whose text holds all these words. Few are named at once: the database, which
    cannot know how few they are, would look at all others too.
    """
    found = VersionText.objects.all()
    for number, word in enumerate(words):
        needle = Value(folded(word.text), output_field=BinaryField())
        found = found.alias(**{f"at_{number}": StrIndex("text", needle)})
        found = found.filter(**{f"at_{number}__gt": 0})
    keys = list(found.order_by("-pk").values_list("pk", flat=True)[: FEW + 1])
    return Q(pk__in=keys if len(keys) <= FEW else found.values("pk"))


def _anywhere(text: str, *columns: str) -> Q:
    return reduce(or_, (Q(**{f"{column}__icontains": text}) for column in columns))
