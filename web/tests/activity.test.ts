import { describe, expect, it } from 'vitest'
import { activityOf, commonRanges, stillRanges } from '@/wall/activity'
import { S } from './made'

const pieces = (...sizes: number[]) =>
  sizes.map((size, i) => ({ rendition: 0, startUs: i * 20 * S, endUs: (i + 1) * 20 * S, offset: 0, size }))

describe('what moves on a screen', () => {
  it('is what a fragment weighs above the lightest ones', () => {
    const levels = activityOf(pieces(8000, 8100, 60_000, 8000)).map((one) => one.level)
    expect(levels[2]).toBe(1)
    expect(Math.max(levels[0]!, levels[1]!, levels[3]!)).toBeLessThan(0.01)
  })

  it('is nothing in stretches that can be passed over', () => {
    const still = stillRanges(pieces(8000, 8100, 60_000, 8000, 8200, 8100))
    expect(still).toEqual([
      { startUs: 0, endUs: 40 * S },
      { startUs: 60 * S, endUs: 120 * S },
    ])
  })

  it('is taken for movement where another page weighs more', () => {
    expect(stillRanges(pieces(8000, 30_000, 30_000))).toEqual([{ startUs: 0, endUs: 20 * S }])
  })

  it('stands still only where all desktops do', () => {
    const one = [{ startUs: 0, endUs: 60 * S }]
    const other = [{ startUs: 20 * S, endUs: 30 * S }, { startUs: 40 * S, endUs: 100 * S }]
    expect(commonRanges([one, other])).toEqual([{ startUs: 40 * S, endUs: 60 * S }])
    expect(commonRanges([])).toEqual([])
  })
})
