/** Words for what a search is narrowed by, and for what it was met by. */

import type { Count, Matched } from '@/api/client'
import { nameOf, useReference } from '@/api/reference'
import { i18n, locale } from '@/i18n'
import { tagName } from '../timeline/words'
import type { Fault, FilterName, SearchFilters } from './filters'
import { usePlaces } from './places'

const { t } = i18n.global

/** 1,234, or 10,000+ */
export function countText(count: Count): string {
  return count.value.toLocaleString(locale.value) + (count.more ? '+' : '')
}

/** 水富县 530630(今 530681 水富市) */
export function regionName(code: string): string {
  const { regions } = useReference()
  const today = regions.value.find((row) => row.code === code)?.today
  const plain = withCode(nameOf(regions.value, code), code)
  return today ? t('search.formerOf', { region: plain, today: withCode(nameOf(regions.value, today), today) }) : plain
}

export function industryName(code: string): string {
  return withCode(nameOf(useReference().industries.value, code), code)
}

function withCode(name: string, code: string): string {
  return name === code ? code : `${name} ${code}`
}

/** A value of a filter in words. */
export function valueName(filters: SearchFilters, name: FilterName, value: string): string {
  switch (name) {
    case 'region':
      return regionName(value)
    case 'industry':
      return industryName(value)
    case 'phase':
    case 'state':
      return t(`${name}.${value}`)
    case 'content_kind':
      return t(`kind.${value}`)
    case 'site':
      return usePlaces().siteName(value)
    case 'room':
      return usePlaces().roomName(value)
    case 'tag_kind':
      return tagName(value)
    case 'days':
      return daysName(filters.date_from, filters.date_to)
    case 'held':
      return t(filters.held === 'true' ? 'search.held.true' : 'search.held.false')
    case 'gap_seconds':
      return t('search.gapOver', { n: value })
    default:
      return value
  }
}

function daysName(from: string, to: string): string {
  if (from === to) return from
  return from && to ? `${from} – ${to}` : t(from ? 'search.since' : 'search.until', { day: from || to })
}

export function fieldName(name: FilterName, filters: SearchFilters): string {
  return name === 'region' ? t(`search.regionOf.${filters.region_of}`) : t(`search.fields.${name}`)
}

/** What is wrong with a field, for people; empty where nothing is. */
export function faultText(name: FilterName, fault: Fault | undefined): string {
  if (!fault) return ''
  return fault.code === 'number' ? t(`search.numberFaults.${name}`) : t(`search.faults.${fault.code}`, { value: fault.value })
}

export interface Reason {
  /** What of the project was met: its region, its agency ... */
  what: string
  /** The project's own; words in it may be marked. */
  value: string
  words: readonly string[]
}

/**
 * By what a project was found: each line once with all its words, each region once with all that it is of the project.
 * A region's name says that its code is a former one.
 */
export function reasonsOf(matched: readonly Matched[]): Reason[] {
  const found = new Map<string, { whats: Set<string>; value: string; words: Set<string> }>()
  for (const one of matched) {
    if (one.hit === 'former_code') continue
    const region = one.filter === 'region'
    const key = region ? one.value : `${one.hit} ${one.value}`
    const known = found.get(key) ?? { whats: new Set(), value: region ? regionName(one.value) : one.value, words: new Set() }
    known.whats.add(t(`search.hits.${one.hit}`))
    if (!region) known.words.add(one.asked)
    found.set(key, known)
  }
  return [...found.values()].map(({ whats, value, words }) => ({ what: [...whats].join(t('archive.and')), value, words: [...words] }))
}
