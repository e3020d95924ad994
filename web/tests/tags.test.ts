import { describe, expect, it } from 'vitest'
import type { Tag } from '@/api/client'
import { dayAfter } from '@/pages/today/days'
import { inForce, listed } from '@/tags/standing'

function tag(id: string, more: Partial<Tag> = {}): Tag {
  return { id, at_us: 1, recorded_us: 1, replaces: null, replaced_by: null, withdrawn: false, ...more } as Tag
}

const first = tag('a', { replaced_by: 'b' })
const right = tag('b', { replaces: 'a', replaced_by: 'c', at_us: 3, recorded_us: 2 })
const back = tag('c', { replaces: 'b', withdrawn: true, at_us: 3, recorded_us: 3 })
const other = tag('d', { at_us: 2 })

describe('tags that were put right', () => {
  it('do not hold any more, nor does what takes back', () => {
    expect(inForce([first, right, back, other]).map((one) => one.id)).toEqual(['d'])
  })

  it('stay in the list, with what put them right, by the moment they mark', () => {
    const rows = listed([back, right, other, first]).map(({ tag: one, later }) => [one.id, later?.id ?? null])
    expect(rows).toEqual([['a', 'b'], ['d', null], ['b', 'c']])
  })
})

describe('days of the calendar', () => {
  it('are counted over months, years and leap days', () => {
    expect(dayAfter('2026-03-01', -1)).toBe('2026-02-28')
    expect(dayAfter('2028-02-28', 1)).toBe('2028-02-29')
    expect(dayAfter('2026-12-31', 1)).toBe('2027-01-01')
  })
})
