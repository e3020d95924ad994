import { describe, expect, it } from 'vitest'
import type { Figures, StatisticsCell } from '@/api/client'
import { barsOf, FIGURES, filtersFrom, toAddress, toQuery } from '@/pages/statistics/figures'

function figures(part: Partial<Figures>): Figures {
  const none = { projects: 0, sections: 0, sessions: 0, clips: 0, recorded_us: 0, gaps: 0, gap_us: 0, size_bytes: 0, files: 0, tags: 0, irregularities: 0 }
  return { ...none, mean_bytes: null, mean_files: null, ...part }
}

function cell(region_code: string, industry_code: string, month: string, part: Partial<Figures>): StatisticsCell {
  return { region_code, industry_code, month, figures: figures(part) }
}

const CELLS = [
  cell('530602', 'A01', '2026-04', { projects: 1, recorded_us: 3.6e9 }),
  cell('530602', 'D03', '2026-03', { projects: 2, recorded_us: 7.2e9 }),
  cell('530621', 'A01', '2026-03', { projects: 5 }),
]

describe('bars', () => {
  it('add up to the same whole on every axis, whatever figure is shown', () => {
    for (const { name, of } of FIGURES) {
      const whole = CELLS.reduce((sum, one) => sum + of(one.figures), 0)
      for (const axis of ['region_code', 'industry_code', 'month'] as const) {
        expect(barsOf(CELLS, axis, name).reduce((sum, bar) => sum + bar.value, 0)).toBeCloseTo(whole)
      }
    }
  })
  it('put months in order and the longest bar of the others first', () => {
    expect(barsOf(CELLS, 'month', 'projects').map((bar) => bar.key)).toEqual(['2026-03', '2026-04'])
    expect(barsOf(CELLS, 'region_code', 'projects')).toEqual([
      { key: '530621', value: 5 },
      { key: '530602', value: 3 },
    ])
    expect(barsOf(CELLS, 'region_code', 'hours')[0]).toEqual({ key: '530602', value: 3 })
  })
})

describe('the address', () => {
  it('keeps all filters, and nothing where there are none', () => {
    const filters = { from: '2026-03', to: '2026-04', region: '530600', industry: 'A', figure: 'gaps' as const }
    expect(filtersFrom(toAddress(filters))).toEqual(filters)
    expect(toAddress(filtersFrom({}))).toEqual({})
    expect(toQuery(filters)).toEqual({ date_from: '2026-03', date_to: '2026-04', region: '530600', industry: 'A' })
  })
  it('is not trusted', () => {
    expect(filtersFrom({ from: '2026', figure: 'constructor', to: ['x'] })).toEqual(filtersFrom({}))
  })
})
