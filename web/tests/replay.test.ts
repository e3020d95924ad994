import { describe, expect, it } from 'vitest'
import type { ProjectTimeline, Session, Tag } from '@/api/client'
import { ShownStretches } from '@/api/watching'
import { focusOf, nearTag, placeOf, soundFor, standing, together } from '@/pages/replay/sessions'
import { stretchAt } from '@/wall/fragments'
import { venueColumns } from '@/wall/layout'
import { fileName } from '@/wall/still'
import { madeClip, S } from './made'

function session(id: string, start: number, end: number, phase = 'evaluation'): Session {
  return { id, phase, clips: [madeClip(id, start, end)] } as unknown as Session
}

function tag(id: string, at: number, more: Partial<Tag> = {}): Tag {
  return { id, at_us: at * S, replaced_by: null, withdrawn: false, seat_id: null, source_id: 'cam', ...more } as Tag
}

describe('sessions that are replayed together', () => {
  const all = [session('O', 0, 50, 'opening'), session('E1', 100, 200), session('E2', 90, 190), session('R', 300, 400)]

  it('are those that a moment lies in', () => {
    expect(together(all, 150 * S).map((one) => one.id)).toEqual(['E1', 'E2'])
    expect(together(all, 10 * S).map((one) => one.id)).toEqual(['O'])
  })

  it('are the evaluation and what overlaps it where no moment is asked for, or one that nobody recorded', () => {
    expect(together(all, null).map((one) => one.id)).toEqual(['E1', 'E2'])
    expect(together(all, 250 * S).map((one) => one.id)).toEqual(['E1', 'E2'])
  })

  it('are none where nothing was recorded', () => {
    expect(together([{ ...session('E', 0, 1), clips: [] }], null)).toEqual([])
  })
})

describe('where replay begins', () => {
  const sections = [{ number: 1, start_us: 0, end_us: 5 * S }, { number: 2, start_us: 5 * S, end_us: 9 * S }]
  const timeline = { tags: [tag('t', 100)], sessions: [{ id: 'E', phase: 'evaluation', sections }] } as unknown as ProjectTimeline
  const nothing = { atUs: null, tagId: null, section: null }

  it('is five seconds before a tag', () => {
    expect(placeOf({ ...nothing, tagId: 't' }, timeline, 'E')).toMatchObject({ atUs: 95 * S, tag: { id: 't' } })
  })

  it('is where a section began', () => {
    expect(placeOf({ ...nothing, section: 2 }, timeline, 'E').atUs).toBe(5 * S)
    expect(placeOf({ ...nothing, section: 2 }, timeline, null).atUs).toBe(5 * S)
    expect(placeOf({ ...nothing, section: 7 }, timeline, 'E').atUs).toBeNull()
  })

  it('is nowhere special for a tag that was taken back', () => {
    const gone = { ...timeline, tags: [tag('t', 100, { withdrawn: true })] } as ProjectTimeline
    expect(placeOf({ ...nothing, tagId: 't' }, gone, 'E')).toEqual({ atUs: null, tag: null })
  })
})

describe('tags', () => {
  const tags = [tag('b', 60), tag('a', 20), tag('c', 90, { replaced_by: 'd' })]

  it('that were put right are left out, the others are in order', () => {
    expect(standing(tags).map((one) => one.id)).toEqual(['a', 'b'])
  })

  it('are gone through one after the other', () => {
    const [a, b] = standing(tags)
    expect(nearTag([a!, b!], 15 * S, 1)).toBe(b) // replay was just brought to the first
    expect(nearTag([a!, b!], 55 * S, -1)).toBe(a)
    expect(nearTag([a!, b!], 60 * S, 1)).toBeUndefined()
  })

  it('bring face and desktop of a seat, and the sound of the room where the seat has none', () => {
    const face = madeClip('f', 0, 9)
    const clips = [
      { ...face, source: { ...face.source, id: '4-D', seat_id: '4', content_kind: 'seat_desktop' as const } },
      { ...face, source: { ...face.source, id: '4-F', seat_id: '4', content_kind: 'seat_face' as const } },
      { ...face, source: { ...face.source, id: '5-F', seat_id: '5', content_kind: 'seat_face' as const }, audio_codec: 'opus' },
      { ...face, audio_codec: 'opus' },
    ]
    const focus = focusOf(tag('t', 1, { source_id: '4-D' }), clips)
    expect(focus).toEqual(['4-F', '4-D'])
    expect(soundFor(focus, clips)).toBe('cam')
    expect(soundFor(['5-F'], clips)).toBe('5-F')
  })
})

describe('what was shown', () => {
  it('is one stretch while it goes on, and goes on over a report', () => {
    const shown = new ShownStretches()
    for (const s of [1, 2, 3]) shown.note('cam', s * S, 1)
    expect(shown.take()).toEqual([{ source_id: 'cam', from_us: S, to_us: 3 * S, rate: 1 }])
    shown.note('cam', 4 * S, 1)
    expect(shown.take()).toEqual([{ source_id: 'cam', from_us: 3 * S, to_us: 4 * S, rate: 1 }])
  })

  it('is another stretch after a jump or at another speed', () => {
    const shown = new ShownStretches()
    shown.note('cam', 1 * S, 1)
    shown.note('cam', 2 * S, 1)
    shown.note('cam', 60 * S, 1)
    shown.note('cam', 61 * S, 16)
    shown.note('cam', 77 * S, 16)
    expect(shown.take().map((one) => [one.from_us / S, one.to_us / S, one.rate])).toEqual([[1, 2, 1], [60, 60, 1], [61, 77, 16]])
  })

  it('is told of a picture that stands still, again and again', () => {
    const shown = new ShownStretches()
    shown.note('cam', 5 * S, 0)
    const still = [{ source_id: 'cam', from_us: 5 * S, to_us: 5 * S, rate: 0 }]
    expect(shown.take()).toEqual(still)
    shown.note('cam', 5 * S, 0)
    expect(shown.take()).toEqual(still)
  })
})

describe('files with and without sound', () => {
  const piece = (rendition: number, start: number) => ({ rendition, startUs: start * S, endUs: (start + 10) * S, offset: 0, size: 1 })
  const pieces = [piece(0, 0), piece(0, 10), piece(1, 20), piece(0, 40)]

  it('are played by a media source each', () => {
    expect(stretchAt(pieces, [1, 2], 5 * S)).toEqual({ first: 0, last: 1 })
    expect(stretchAt(pieces, [1, 2], 20 * S)).toEqual({ first: 2, last: 2 })
    expect(stretchAt(pieces, [1, 2], 35 * S)).toEqual({ first: 3, last: 3 }) // in the gap, ready for what comes
    expect(stretchAt(pieces, [1, 1], 5 * S)).toEqual({ first: 0, last: 3 })
  })
})

describe('panes of several venues', () => {
  it('have columns by their number', () => {
    const { columns, rows } = venueColumns([3, 5, 5], 1350, 420)
    expect(columns.map((own) => own * rows).every((room, i) => room >= [3, 5, 5][i]!)).toBe(true)
    expect(venueColumns([6], 1200, 700)).toEqual({ columns: [3], rows: 2 })
  })
})

describe('names of files', () => {
  it('hold nothing that a file system refuses', () => {
    expect(fileName(['P/1', 'a b:c', '2026'])).toBe('P-1_a-b-c_2026.png')
  })
})
