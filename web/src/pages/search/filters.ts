/** What a search is narrowed by, as the page's address keeps it: by the server's names, so that a saved search is an address. */

import type { LocationQuery } from 'vue-router'
import type { ContentKind, Industry, Phase, Region, SearchQuery, SessionState } from '@/api/client'
import { zhCN } from '@/i18n/zh-CN'
import { wordsOf } from './marks'
import { isDay } from './month'

const TEXTS = ['text', 'name', 'code', 'section', 'agency', 'tag', 'expert_key', 'section_number', 'gap_seconds'] as const
const LISTS = ['region', 'industry', 'phase', 'content_kind', 'state', 'site', 'room', 'tag_kind', 'project_id'] as const
const DAYS = ['date_from', 'date_to'] as const
/** Filters that look for words. */
export const WORDED = ['text', 'name', 'code', 'section', 'agency', 'tag'] as const
export const MOST_WORDS = 16
export const LONGEST = 200
/** More values of one filter the server does not take. */
export const MOST_VALUES = 100

export const PHASES = Object.keys(zhCN.phase) as Phase[]
export const KINDS = Object.keys(zhCN.kind) as ContentKind[]
export const STATES = Object.keys(zhCN.state) as SessionState[]
export const TAG_KINDS = Object.keys(zhCN.timeline.tagKinds)
export const REGIONS_OF = ['either', 'region', 'trade_place'] as const

export type TextName = (typeof TEXTS)[number]
export type ListName = (typeof LISTS)[number]
export type RegionOf = (typeof REGIONS_OF)[number]
/** A filter that somebody can take away. */
export type FilterName = TextName | ListName | 'days' | 'held'

type Narrowing = Record<TextName | (typeof DAYS)[number], string> & Record<ListName, readonly string[]>

export interface SearchFilters extends Narrowing {
  region_of: RegionOf
  held: '' | 'true' | 'false'
  view: 'projects' | 'clips'
  /** Projects whose clips stand open. */
  open: readonly string[]
  /** `2026-03`, shown by the calendar; empty: where the search leads. */
  month: string
}

const KNOWN: Partial<Record<ListName, readonly string[]>> = { phase: PHASES, content_kind: KINDS, state: STATES }

export function filtersFrom(query: LocationQuery | Record<string, unknown>): SearchFilters {
  const texts = TEXTS.map((name) => [name, one(query[name]).slice(0, LONGEST)])
  const days = DAYS.map((name) => [name, one(query[name]).slice(0, LONGEST)])
  const lists = LISTS.map((name) => [name, list(query[name]).filter((value) => KNOWN[name]?.includes(value) ?? true)])
  return {
    ...(Object.fromEntries([...texts, ...days, ...lists]) as Narrowing),
    region_of: REGIONS_OF.find((known) => known === query.region_of) ?? 'either',
    held: oneOf(one(query.held), ['true', 'false'] as const) ?? '',
    view: one(query.view) === 'clips' ? 'clips' : 'projects',
    open: list(query.open),
    month: /^\d{4}-(0[1-9]|1[0-2])$/.test(one(query.month)) ? one(query.month) : '',
  }
}

/** Only what differs from a search for everything. */
export function toAddress(filters: SearchFilters): Record<string, string | string[]> {
  const { region_of, view, ...rest } = filters
  const told: [string, string | readonly string[]][] = Object.entries(rest).filter(([, value]) => value.length > 0)
  if (region_of !== 'either' && filters.region.length) told.push(['region_of', region_of])
  if (view !== 'projects') told.push(['view', view])
  return Object.fromEntries(told.map(([name, value]) => [name, typeof value === 'string' ? value : [...value]]))
}

/** What the server is asked; the filters have no faults. */
export function toQuery(filters: SearchFilters): SearchQuery {
  const { region_of, held, view: _view, open: _open, month: _month, section_number, gap_seconds, ...rest } = filters
  const plain = Object.entries(rest).filter(([, value]) => value.length > 0)
  return {
    ...(Object.fromEntries(plain) as SearchQuery),
    ...(region_of !== 'either' && filters.region.length ? { region_of } : {}),
    ...(held ? { held: held === 'true' } : {}),
    ...(section_number ? { section_number: Number(section_number) } : {}),
    ...(gap_seconds ? { gap_seconds: Number(gap_seconds) } : {}),
  }
}

/** Filters in use, in the order in which the page has them. */
export function used(filters: SearchFilters): FilterName[] {
  const days = filters.date_from || filters.date_to ? (['days'] as const) : []
  const held = filters.held ? (['held'] as const) : []
  return [...[...TEXTS, ...LISTS].filter((name) => filters[name].length > 0), ...days, ...held]
}

/** The same without a filter, or without one of its values. */
export function without(filters: SearchFilters, name: FilterName, value?: string): SearchFilters {
  if (name === 'days') return { ...filters, date_from: '', date_to: '' }
  if (name === 'held') return { ...filters, held: '' }
  const now = filters[name]
  const left = typeof now === 'string' ? '' : now.filter((known) => value !== undefined && known !== value)
  return { ...filters, [name]: left }
}

export interface Relaxed {
  name: FilterName
  /** The one word that is left out; empty: the whole filter. */
  word: string
  filters: SearchFilters
}

/** Searches for a little less: without one of the filters, or one of several words. All of them left out is none. */
export function relaxed(filters: SearchFilters): Relaxed[] {
  const words = filters.text.split(/\s+/).filter(Boolean)
  const left = (word: string): string => words.filter((one) => one !== word).join(' ')
  const fewer = words.length > 1 ? words.map((word): Relaxed => ({ name: 'text', word, filters: { ...filters, text: left(word) } })) : []
  const whole = used(filters).map((name): Relaxed => ({ name, word: '', filters: without(filters, name) }))
  return [...fewer, ...whole].filter((one) => used(one.filters).length > 0)
}

/** How a search looks before anything narrows it; how it is shown stays. */
export function cleared(filters: SearchFilters): SearchFilters {
  return { ...filtersFrom({}), view: filters.view }
}

export type FaultCode = 'words' | 'day' | 'reversed' | 'unknown' | 'number' | 'many'

export interface Fault {
  code: FaultCode
  /** The value that is wrong, where there may be several. */
  value: string
}

export type Faults = Partial<Record<FilterName, Fault>>

/** What cannot be searched for, by the field in which it was entered. Code tables that have not come yet know everything. */
export function faultsOf(filters: SearchFilters, regions: readonly Region[], industries: readonly Industry[]): Faults {
  const found: Faults = {}
  const tell = (name: FilterName, code: FaultCode, value = ''): void => void (found[name] = { code, value })
  const stranger = (codes: readonly string[], rows: readonly { code: string }[]): string | undefined =>
    rows.length ? codes.find((code) => !rows.some((row) => row.code === code)) : undefined
  const words = WORDED.reduce((count, name) => count + wordsOf(filters[name]).length, 0)
  if (words > MOST_WORDS) tell('text', 'words')
  const noDay = DAYS.map((name) => filters[name]).find((day) => day && !isDay(day))
  if (filters.date_from && filters.date_to && filters.date_to < filters.date_from) tell('days', 'reversed')
  if (noDay !== undefined) tell('days', 'day', noDay)
  const [region, industry] = [stranger(filters.region, regions), stranger(filters.industry, industries)]
  if (region !== undefined) tell('region', 'unknown', region)
  if (industry !== undefined) tell('industry', 'unknown', industry)
  if (!isNumber(filters.gap_seconds, 0, 1e9)) tell('gap_seconds', 'number')
  if (!isNumber(filters.section_number, 1, 100_000) || filters.section_number.includes('.')) tell('section_number', 'number')
  for (const name of LISTS) if (filters[name].length > MOST_VALUES) tell(name, 'many')
  return found
}

function isNumber(text: string, least: number, most: number): boolean {
  return text === '' || (/^\d+(\.\d+)?$/.test(text) && Number(text) >= least && Number(text) <= most)
}

function list(value: unknown): string[] {
  const all = Array.isArray(value) ? value : [value]
  return [...new Set(all.filter((one): one is string => typeof one === 'string' && one !== ''))]
}

/** Addresses have texts, saved searches numbers and truths as well. */
function one(value: unknown): string {
  const first: unknown = Array.isArray(value) ? value[0] : value
  return ['string', 'number', 'boolean'].includes(typeof first) ? String(first) : ''
}

function oneOf<T extends string>(value: string, known: readonly T[]): T | undefined {
  return known.find((candidate) => candidate === value)
}
