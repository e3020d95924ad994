import { describe, expect, it } from 'vitest'
import type { LoggedWatch } from '@/api/client'
import { lanesOf, stretchesOf, within } from '@/pages/watching/lanes'

const S = 1_000_000

function piece(source: string, from: number, to: number, seen = from): LoggedWatch['shown'][number] {
  return { source_id: source, seen_from_us: seen * S, seen_to_us: (seen + to - from) * S, footage_from_us: from * S, footage_to_us: to * S }
}

function watch(account: string, kind: 'live' | 'replay', shown: LoggedWatch['shown']): LoggedWatch {
  return {
    id: account + kind,
    account_id: account,
    account_label_zh: account,
    account_label_en: account,
    role: 'supervisor',
    origin: '10.0.0.7',
    kind,
    opened_us: 0,
    closed_us: 1,
    end: 'closed',
    seen_us: 0,
    projects: [],
    sources: [],
    shown,
  }
}

describe('lanes under the time axis', () => {
  it('has a lane for each account, the first one above, live and later apart', () => {
    const newest = [watch('b', 'replay', [piece('cam', 5, 9)]), watch('a', 'replay', [piece('cam', 0, 3)]), watch('b', 'live', [piece('cam', 5, 9)])]
    const lanes = lanesOf(newest)
    expect(lanes.map((one) => one.account)).toEqual(['b', 'a'])
    expect(lanes[0]!.spans).toEqual([
      { startUs: 5 * S, endUs: 9 * S, kind: 'live' },
      { startUs: 5 * S, endUs: 9 * S, kind: 'replay' },
    ])
  })

  it('draws pictures that were shown together once', () => {
    const [lane] = lanesOf([watch('a', 'live', [piece('cam', 0, 10), piece('screen', 5, 20)])])
    expect(lane!.spans).toEqual([{ startUs: 0, endUs: 20 * S, kind: 'live' }])
  })

  it('keeps of a time only what showed it', () => {
    const all = [watch('a', 'live', [piece('cam', 0, 10), piece('cam', 100, 110)]), watch('b', 'live', [piece('cam', 50, 60)])]
    const found = within(all, { startUs: 90 * S, endUs: 105 * S })
    expect(found.map((one) => [one.account_id, one.shown.length])).toEqual([['a', 1]])
  })

  it('makes one stretch of what goes on, and not of a jump', () => {
    const shown = [piece('cam', 0, 0, 100), piece('cam', 0, 4, 101), piece('cam', 4, 4, 105), piece('cam', 500, 510, 106)]
    expect(stretchesOf(shown).map((one) => [one.footage_from_us / S, one.footage_to_us / S])).toEqual([
      [0, 4],
      [500, 510],
    ])
    expect(shown[0]!.footage_to_us, 'what was told is not changed').toBe(0)
  })
})
