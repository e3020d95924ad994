import { describe, expect, it } from 'vitest'
import { aheadUs, bufferedUntil, evictable, keyIntervalUs, MAX_BYTES, nextFetch, pieceAt, piecesOf, stepTarget } from '@/wall/fragments'
import { everyTwoSeconds, madeIndex, S } from './made'

const pieces = piecesOf([madeIndex('a', everyTwoSeconds(0, 100))])
const none = new Set<number>()
const upTo = (count: number) => new Set(Array.from({ length: count }, (_, i) => i))

describe('which bytes to fetch next', () => {
  it('starts with the fragment under the play head', () => {
    expect(nextFetch(pieces, none, 31 * S, 1)).toMatchObject({ first: 15, start: 100 + 15 * 1000 })
  })

  it('puts neighbours into one request, up to what is wanted ahead', () => {
    const fetch = nextFetch(pieces, none, 0, 1)!
    expect(fetch).toMatchObject({ first: 0, last: 12, start: 100, end: 100 + 13 * 1000 })
  })

  it('goes on after what is there', () => {
    expect(nextFetch(pieces, upTo(5), 1 * S, 1)).toMatchObject({ first: 5 })
  })

  it('asks for nothing while enough is there', () => {
    expect(nextFetch(pieces, upTo(20), 1 * S, 1)).toBeNull()
  })

  it('stops before what is there already', () => {
    expect(nextFetch(pieces, new Set([3, 4]), 0, 1)).toMatchObject({ first: 0, last: 2 })
  })

  it('keeps a request small', () => {
    const heavy = piecesOf([madeIndex('a', everyTwoSeconds(0, 100), 900_000)])
    const fetch = nextFetch(heavy, upTo(3), 0, 1)!
    expect(fetch.end - fetch.start).toBeLessThanOrEqual(MAX_BYTES)
    expect(fetch.last - fetch.first + 1).toBe(2)
  })

  it('asks for little when it is about to run dry, but always for one fragment', () => {
    const heavy = piecesOf([madeIndex('a', everyTwoSeconds(0, 100), 900_000)])
    expect(nextFetch(heavy, none, 0, 1)).toMatchObject({ first: 0, last: 0 })
  })

  it('wants more ahead at higher speed, within a limit', () => {
    expect(aheadUs(0.5)).toBe(aheadUs(1))
    expect(aheadUs(4)).toBe(4 * aheadUs(1))
    expect(aheadUs(16)).toBe(160 * S)
  })

  it('looks over a gap to where the picture goes on', () => {
    const gappy = piecesOf([madeIndex('a', [...everyTwoSeconds(0, 10), ...everyTwoSeconds(20, 40)])])
    expect(nextFetch(gappy, upTo(5), 12 * S, 1)).toMatchObject({ first: 5 })
  })

  it('never joins two files', () => {
    const both = piecesOf([madeIndex('b', everyTwoSeconds(10, 20)), madeIndex('a', everyTwoSeconds(0, 10))])
    expect(nextFetch(both, none, 0, 1)).toMatchObject({ rendition: 1, first: 0, last: 4 })
    expect(nextFetch(both, upTo(5), 0, 1)).toMatchObject({ rendition: 0, first: 5, start: 100 })
  })

  it('does not join fragments that are not side by side in the file', () => {
    const index = madeIndex('a', everyTwoSeconds(0, 20))
    index.fragments[3]!.offset += 50
    expect(nextFetch(piecesOf([index]), none, 0, 1)).toMatchObject({ first: 0, last: 2 })
  })

  it('is done at the end of the file', () => {
    expect(nextFetch(pieces, upTo(50), 99 * S, 1)).toBeNull()
    expect(nextFetch(pieces, none, 200 * S, 1)).toBeNull()
  })
})

describe('looking pieces up', () => {
  it('finds the one on screen', () => {
    expect(pieceAt(pieces, -1)).toBe(-1)
    expect(pieceAt(pieces, 0)).toBe(0)
    expect(pieceAt(pieces, 2 * S - 1)).toBe(0)
    expect(pieceAt(pieces, 2 * S)).toBe(1)
    expect(pieceAt(pieces, 1000 * S)).toBe(49)
  })

  it('knows how far the picture goes', () => {
    expect(bufferedUntil(pieces, none, 3 * S)).toBe(3 * S)
    expect(bufferedUntil(pieces, new Set([1, 2, 4]), 3 * S)).toBe(6 * S)
    expect(bufferedUntil(pieces, upTo(50), 3 * S)).toBe(Infinity)
  })

  it('lets go of what is far behind or far beyond, and keeps the rest', () => {
    expect(evictable(pieces, upTo(50), 60 * S, 1)).toEqual(Array.from({ length: 14 }, (_, i) => i))
    expect(evictable(pieces, upTo(50), 0, 1)).toEqual([43, 44, 45, 46, 47, 48, 49])
  })
})

describe('stepping by key frames', () => {
  const clock = (seconds: number, running = true) => ({ us: seconds * S, rate: 8, running })

  it('shows the nearest key frame', () => {
    expect(stepTarget(pieces, clock(10.9), 100 * S, 0)).toBe(5)
    expect(stepTarget(pieces, clock(11.1), 100 * S, 0)).toBe(6)
  })

  it('looks ahead by what a seek takes, less than one key frame', () => {
    expect(stepTarget(pieces, clock(10.6), 100 * S, 0.06)).toBe(6)
    expect(stepTarget(pieces, clock(10), 100 * S, 9)).toBe(5)
  })

  it('shows the key frame under the clock while waiting', () => {
    expect(stepTarget(pieces, clock(11.9, false), 100 * S, 0.06)).toBe(5)
  })

  it('never shows a picture from behind a gap', () => {
    expect(stepTarget(pieces, clock(11.9), 12 * S, 0.06)).toBe(5)
  })

  it('knows how far key frames are apart', () => {
    expect(keyIntervalUs(pieces, 11 * S)).toBe(2 * S)
    expect(keyIntervalUs([], 0)).toBe(4 * S)
  })
})
