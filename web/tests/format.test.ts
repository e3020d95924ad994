import { describe, expect, it } from 'vitest'
import { formatDate, formatDateTime, formatDuration, formatRange, formatTime, ticks } from '@/format/beijing'
import { formatBytes } from '@/format/bytes'

const at = (iso: string): number => Date.parse(iso) * 1000

describe('Beijing time', () => {
  it('is eight hours ahead of UTC, over midnight and new year', () => {
    expect(formatDateTime(at('2026-12-31T16:00:05Z'))).toBe('2027-01-01 00:00:05')
    expect(formatDate(at('2026-11-20T15:59:59Z'))).toBe('2026-11-20')
  })

  it('does not round up', () => {
    const us = at('2026-11-20T01:30:00Z') + 999_999
    expect(formatTime(us)).toBe('09:30:00')
    expect(formatTime(us, true)).toBe('09:30:00.999')
  })

  it('writes the second date of a range only where it differs', () => {
    expect(formatRange(at('2026-11-20T01:00:00Z'), at('2026-11-20T02:00:00Z'))).toBe('2026-11-20 09:00:00 – 10:00:00')
    expect(formatRange(at('2026-11-20T15:00:00Z'), at('2026-11-20T17:00:00Z'))).toBe('2026-11-20 23:00:00 – 2026-11-21 01:00:00')
  })

  it('writes durations', () => {
    expect(formatDuration(47e6)).toBe('0:47')
    expect(formatDuration(363e6)).toBe('6:03')
    expect(formatDuration(3729e6)).toBe('1:02:09')
  })
})

describe('ticks of the time axis', () => {
  it('lie on round Beijing times and are not too many', () => {
    const found = ticks(at('2026-11-20T01:03:00Z'), at('2026-11-20T03:50:00Z'), 8)
    expect(found.length).toBeLessThanOrEqual(9)
    expect(found[0]!.label).toBe('09:30')
    expect(found.every((tick) => tick.us % 1_800_000_000 === 0)).toBe(true)
  })

  it('show seconds where minutes would be too coarse', () => {
    expect(ticks(at('2026-11-20T01:30:00Z'), at('2026-11-20T01:30:45Z'), 10).map((tick) => tick.label)).toContain('09:30:15')
  })

  it('start days at Beijing midnight', () => {
    const [first] = ticks(at('2026-11-19T10:00:00Z'), at('2026-11-29T10:00:00Z'), 5)
    expect(formatTime(first!.us)).toBe('00:00:00')
  })

  it('are none for an empty range', () => {
    expect(ticks(5, 5, 10)).toEqual([])
  })
})

describe('sizes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1500, '2 kB'],
    [4_600_000_000, '4.60 GB'],
    [61_000_000_000, '61.0 GB'],
    [999_900_000, '1.00 GB'],
  ])('%d bytes are %s', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text)
  })
})
