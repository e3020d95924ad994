import { describe, expect, it } from 'vitest'
import { nextMedia, pausesOf, spanAt, spansOf, type Span } from '@/wall/spans'
import { everyTwoSeconds, madeClip, madeIndex, S } from './made'

const RANGE = { startUs: 0, endUs: 100 * S }

function short(spans: Span[]): string[] {
  return spans.map((s) => `${s.kind === 'outside' ? s.reason : s.kind} ${s.startUs / S}-${s.endUs / S}`)
}

function indexes(...made: ReturnType<typeof madeIndex>[]) {
  return new Map(made.map((index) => [index.rendition_id, index]))
}

describe('what a source has to show', () => {
  it('names the time before and after its clip', () => {
    const spans = spansOf([madeClip('a', 10, 50)], indexes(madeIndex('a', everyTwoSeconds(10, 50))), RANGE)
    expect(short(spans)).toEqual(['before 0-10', 'media 10-50', 'after 50-100'])
  })

  it('shows a gap even where a fragment claims to cover it', () => {
    const fragments: [number, number][] = [...everyTwoSeconds(10, 20), [20, 30], ...everyTwoSeconds(30, 50)]
    const spans = spansOf([madeClip('a', 10, 50, [[22, 30]])], indexes(madeIndex('a', fragments)), RANGE)
    expect(short(spans)).toEqual(['before 0-10', 'media 10-22', 'gap 22-30', 'media 30-50', 'after 50-100'])
  })

  it('shows a hole between fragments as a gap of unknown cause', () => {
    const index = madeIndex('a', [...everyTwoSeconds(0, 10), ...everyTwoSeconds(12, 100)])
    const spans = spansOf([madeClip('a', 0, 100)], indexes(index), RANGE)
    expect(short(spans)).toEqual(['media 0-10', 'gap 10-12', 'media 12-100'])
    expect(spans[1]).toMatchObject({ cause: 'not_recording', gap: { startUs: 10 * S, endUs: 12 * S } })
  })

  it('bridges holes that the browser bridges', () => {
    const index = madeIndex('a', [[0, 49.9], [50, 99.95]])
    expect(short(spansOf([madeClip('a', 0, 100)], indexes(index), RANGE))).toEqual(['media 0-100'])
  })

  it('keeps the whole range of a gap that is cut by its clip or by fragments', () => {
    const index = madeIndex('a', [[0, 40], [60, 100]])
    const spans = spansOf([madeClip('a', 0, 100, [[41, 59]])], indexes(index), RANGE)
    expect(short(spans)).toEqual(['media 0-40', 'gap 40-41', 'gap 41-59', 'gap 59-60', 'media 60-100'])
  })

  it('keeps two neighbouring gaps apart', () => {
    const spans = spansOf([madeClip('a', 0, 100, [[10, 20], [20, 30]])], indexes(madeIndex('a', [[0, 100]])), RANGE)
    expect(short(spans)).toEqual(['media 0-10', 'gap 10-20', 'gap 20-30', 'media 30-100'])
  })

  it('joins the clips of a seat that changed hands', () => {
    const clips = [madeClip('b', 60, 100), madeClip('a', 0, 40)]
    const spans = spansOf(clips, indexes(madeIndex('a', [[0, 40]]), madeIndex('b', [[60, 100]])), RANGE)
    expect(short(spans)).toEqual(['media 0-40', 'between 40-60', 'media 60-100'])
  })

  it('shows no picture for a clip that is not archived, but knows its gaps', () => {
    const spans = spansOf([madeClip('a', 0, 100, [[20, 30]], { rendition_id: null })], new Map(), RANGE)
    expect(short(spans)).toEqual(['pending 0-20', 'gap 20-30', 'pending 30-100'])
  })

  it('does not call a clip unarchived whose archived file cannot be read', () => {
    const spans = spansOf([madeClip('a', 0, 100, [[20, 30]])], new Map(), RANGE)
    expect(short(spans)).toEqual(['unreadable 0-20', 'gap 20-30', 'unreadable 30-100'])
  })

  it('covers the range without holes or overlaps', () => {
    const clips = [madeClip('a', 5, 45, [[1, 8], [44, 60]]), madeClip('b', 40, 90)]
    const spans = spansOf(clips, indexes(madeIndex('a', [[5, 41]]), madeIndex('b', everyTwoSeconds(40, 88))), RANGE)
    expect(spans[0]!.startUs).toBe(RANGE.startUs)
    expect(spans.at(-1)!.endUs).toBe(RANGE.endUs)
    spans.slice(1).forEach((span, i) => expect(span.startUs).toBe(spans[i]!.endUs))
  })
})

describe('looking a moment up', () => {
  const spans = spansOf([madeClip('a', 10, 50, [[20, 30]])], indexes(madeIndex('a', everyTwoSeconds(10, 50))), RANGE)

  it.each([
    [0, 'outside'],
    [10 * S - 1, 'outside'],
    [10 * S, 'media'],
    [20 * S - 1, 'media'],
    [20 * S, 'gap'],
    [30 * S - 1, 'gap'],
    [30 * S, 'media'],
    [50 * S, 'outside'],
    [100 * S, 'outside'],
  ])('%d µs is %s', (us, kind) => {
    expect(spanAt(spans, us)?.kind).toBe(kind)
  })

  it('finds where the picture goes on after a gap', () => {
    expect(nextMedia(spans, 25 * S)?.startUs).toBe(30 * S)
    expect(nextMedia(spans, 60 * S)).toBeUndefined()
  })
})

describe('pauses', () => {
  const at = (type: string, s: number) => ({ type, at_us: s * S })

  it('last from pause to resume', () => {
    const events = [at('eval.resume', 20), at('eval.start', 0), at('eval.pause', 10)]
    expect(pausesOf(events, 100 * S)).toEqual([{ startUs: 10 * S, endUs: 20 * S }])
  })

  it('do not reach into a session from before its start', () => {
    const events = [at('eval.pause', 0), at('eval.start', 10), at('eval.resume', 20), at('eval.end', 90)]
    expect(pausesOf(events, 100 * S)).toEqual([])
  })

  it('last to the end where nobody resumed', () => {
    expect(pausesOf([at('eval.pause', 10)], 100 * S)).toEqual([{ startUs: 10 * S, endUs: 100 * S }])
    expect(pausesOf([at('eval.pause', 10), at('eval.end', 30)], 100 * S)).toEqual([{ startUs: 10 * S, endUs: 30 * S }])
  })

  it('ignore a resume without a pause and a second pause', () => {
    const events = [at('eval.resume', 5), at('eval.pause', 10), at('eval.pause', 12), at('eval.resume', 20)]
    expect(pausesOf(events, 100 * S)).toEqual([{ startUs: 10 * S, endUs: 20 * S }])
  })
})
