/** Figures of the page of statistics: what can be shown, and how cells are added up. */

import type { Figures, StatisticsCell, StatisticsQuery } from '@/api/client'
import type { LocationQuery } from 'vue-router'

export type FigureName = 'projects' | 'sections' | 'hours' | 'gigabytes' | 'files' | 'gaps' | 'gapMinutes' | 'tags' | 'irregularities'

interface Shown {
  name: FigureName
  digits: number
  of: (figures: Figures) => number
}

/** What is added up; means are none of these, for means of parts do not add up. */
export const FIGURES: readonly Shown[] = [
  { name: 'projects', digits: 0, of: (one) => one.projects },
  { name: 'sections', digits: 0, of: (one) => one.sections },
  { name: 'hours', digits: 1, of: (one) => one.recorded_us / 3.6e9 },
  { name: 'gigabytes', digits: 2, of: (one) => one.size_bytes / 1e9 },
  { name: 'files', digits: 0, of: (one) => one.files },
  { name: 'gaps', digits: 0, of: (one) => one.gaps },
  { name: 'gapMinutes', digits: 1, of: (one) => one.gap_us / 6e7 },
  { name: 'tags', digits: 0, of: (one) => one.tags },
  { name: 'irregularities', digits: 0, of: (one) => one.irregularities },
]

export type Axis = 'region_code' | 'industry_code' | 'month'

export interface Bar {
  key: string
  value: number
}

/** The sum of a figure for each place on an axis: months in order, the others by size. */
export function barsOf(cells: readonly StatisticsCell[], axis: Axis, figure: FigureName): Bar[] {
  const of = shown(figure).of
  const sums = new Map<string, number>()
  for (const cell of cells) sums.set(cell[axis], (sums.get(cell[axis]) ?? 0) + of(cell.figures))
  const bars = [...sums].map(([key, value]) => ({ key, value }))
  return bars.sort((a, b) => (axis === 'month' ? 0 : b.value - a.value) || (a.key < b.key ? -1 : 1))
}

export function shown(figure: FigureName): Shown {
  return FIGURES.find((one) => one.name === figure) ?? FIGURES[0]!
}

export interface StatisticsFilters {
  from: string
  to: string
  region: string
  industry: string
  figure: FigureName
}

const MONTH = /^\d{4}-\d{2}$/

export function filtersFrom(query: LocationQuery): StatisticsFilters {
  const figure = one(query.figure)
  return {
    from: monthOrEmpty(one(query.from)),
    to: monthOrEmpty(one(query.to)),
    region: one(query.region),
    industry: one(query.industry),
    figure: FIGURES.some((known) => known.name === figure) ? (figure as FigureName) : 'projects',
  }
}

/** Only what differs from the page without filters. */
export function toAddress(filters: StatisticsFilters): Record<string, string> {
  const { figure, ...texts } = filters
  const used = Object.entries(texts).filter(([, value]) => value !== '')
  return Object.fromEntries(figure === 'projects' ? used : [...used, ['figure', figure]])
}

export function toQuery(filters: StatisticsFilters): StatisticsQuery {
  return {
    date_from: filters.from || undefined,
    date_to: filters.to || undefined,
    region: filters.region || undefined,
    industry: filters.industry || undefined,
  }
}

function one(value: LocationQuery[string] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? ''
}

function monthOrEmpty(text: string): string {
  return MONTH.test(text) ? text : ''
}
