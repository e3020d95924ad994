"""Which filter a project met, and by what of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from catalog.search.asking import WHERE, Asked
from catalog.search.filters import Hit, Matched, RegionOf
from catalog.search.places import Tree
from catalog.search.words import Field, normal, words
from kernel.model.timeline import Project

_HITS = {
    Field.NAME: Hit.NAME,
    Field.AGENCY: Hit.AGENCY,
    Field.CODES: Hit.CODE,
    Field.SECTIONS: Hit.SECTION,
    Field.SECTION_CODES: Hit.CODE,
    Field.TAGS: Hit.TAG,
}


def matched_by(
    project: Project, texts: Mapping[Field, Sequence[str]], asked: Asked, regions: Tree
) -> Iterator[Matched]:
    """By region or trade place, be it of today or a former one; and by texts, each word once a text."""
    for code in sorted(asked.by.regions):
        yield from _of_region(project, code, asked.by.region_of, regions)
    for name, fields in WHERE.items():
        for word in words(getattr(asked.by, name)):
            for field in fields:
                line = next((one for one in texts[field] if word in normal(one)), None)
                if line is not None:
                    yield Matched(filter=name, asked=word, hit=_HITS[field], value=line)


def _of_region(project: Project, code: str, where: RegionOf, regions: Tree) -> Iterator[Matched]:
    within = regions.within(code)
    for hit, of, own in (
        (Hit.REGION, RegionOf.PROJECT, project.region_code),
        (Hit.TRADE_PLACE, RegionOf.TRADE_PLACE, project.trade_place),
    ):
        if own in within and where in (RegionOf.EITHER, of):
            yield Matched(filter="regions", asked=code, hit=hit, value=own)
            if own in regions.today and own != code:
                today = regions.today[own]
                yield Matched(filter="regions", asked=code, hit=Hit.FORMER_CODE, value=own, today=today)
