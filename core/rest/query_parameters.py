"""Query strings are read strictly: a parameter that an endpoint doesn't know, or a value it can't read, is a 400.

A misspelt filter that is ignored answers with everybody's rows, and nobody notices.
"""

from collections.abc import Iterator, Mapping, Sequence

from django.http import QueryDict
from rest_framework.exceptions import ErrorDetail, ValidationError

from .operations import Parameter

_SHOWN = 80  # characters of a name that we don't know


def check_query(params: QueryDict, known: Mapping[str, Parameter]) -> None:
    """Raise ValidationError for what the endpoint can't have meant; its message names the parameters that it knows."""
    problems: dict[str, list[ErrorDetail]] = {}
    for name, values in params.lists():
        parameter = _named(name, known)
        if any("\ufffd" in text for text in (name, *values)):
            found = [ErrorDetail("Not UTF-8: percent-encode its UTF-8 bytes.", code="not_utf8")]
        else:
            found = [_unknown(known)] if parameter is None else list(_wrong(parameter, values))
        if found:
            problems[name[:_SHOWN]] = found
    if problems:
        raise ValidationError(problems)


def _named(name: str, known: Mapping[str, Parameter]) -> Parameter | None:
    deep = known.get(name.partition("[")[0])
    return deep if deep is not None and deep.is_deep else known.get(name)


def _unknown(known: Mapping[str, Parameter]) -> ErrorDetail:
    names = ", ".join(sorted(parameter.shown for parameter in known.values()))
    only = f"Known here: {names}." if known else "None is known here."
    return ErrorDetail(f"There is no such query parameter. {only}", code="unknown_parameter")


def _wrong(parameter: Parameter, values: Sequence[str]) -> Iterator[ErrorDetail]:
    if parameter.is_deep:
        return  # its reader says how to write it
    if len(values) > 1 and not parameter.is_repeated:
        yield ErrorDetail("Give it once: it takes a single value.", code="repeated")
    elif parameter.choices and not set(values) <= set(parameter.choices):
        yield ErrorDetail(f"Choose from: {', '.join(parameter.choices)}.", code="invalid")
    elif "" in values and not parameter.is_text:
        yield ErrorDetail("Has no value: give one, or leave the parameter out.", code="blank")
