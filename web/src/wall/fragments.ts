/** Which bytes to fetch next. Pure. */

import type { RenditionIndex } from '@/api/client'

/** A fragment of any of a pane's renditions, in order of wall time. */
export interface Piece {
  rendition: number // position in the pane's list of renditions
  startUs: number
  endUs: number
  offset: number
  size: number
}

/** One range request: pieces `first`..`last` lie side by side in one rendition. */
export interface Fetch {
  first: number
  last: number
  rendition: number
  start: number
  end: number // exclusive
}

/** At high speed a pane wants more ahead, up to a limit that keeps memory small. */
const AHEAD_S = 25
const AHEAD_MAX_S = 160
/** A pane that is about to run dry asks for little, so that it goes on soon. */
const STARVING_S = 3
export const MAX_BYTES = 2_000_000
const STARVING_BYTES = 300_000

export function piecesOf(indexes: readonly RenditionIndex[]): Piece[] {
  return indexes
    .flatMap((index, rendition) =>
      index.fragments.map((f) => ({ rendition, startUs: f.start_us, endUs: f.end_us, offset: f.offset, size: f.size })),
    )
    .sort((a, b) => a.startUs - b.startUs)
}

export function aheadUs(rate: number): number {
  return Math.min(AHEAD_MAX_S, AHEAD_S * Math.max(1, rate)) * 1e6
}

/** The piece that is on screen at `us`: the last that starts at or before it, -1 before the first. */
export function pieceAt(pieces: readonly Piece[], us: number): number {
  let low = 0
  let high = pieces.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (pieces[middle]!.startUs <= us) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** The next range to fetch for a play head at `us`, or null while enough is there; pieces from `end` on are not wanted. */
export function nextFetch(pieces: readonly Piece[], have: ReadonlySet<number>, us: number, rate: number, end = pieces.length): Fetch | null {
  const horizon = us + aheadUs(rate)
  let first = Math.max(0, pieceAt(pieces, us))
  while (first < pieces.length && (have.has(first) || pieces[first]!.endUs <= us)) first += 1
  const head = pieces[first]
  if (!head || first >= end || head.startUs > horizon) return null
  const starving = head.startUs - us < STARVING_S * 1e6 * rate
  const last = coalesce(pieces, have, first, horizon, starving ? STARVING_BYTES : MAX_BYTES)
  const tail = pieces[last]!
  return { first, last, rendition: head.rendition, start: head.offset, end: tail.offset + tail.size }
}

function coalesce(pieces: readonly Piece[], have: ReadonlySet<number>, first: number, horizon: number, bytes: number): number {
  let last = first
  let total = pieces[first]!.size
  for (let i = first + 1; i < pieces.length; i += 1) {
    const before = pieces[last]!
    const piece = pieces[i]!
    const adjacent = piece.rendition === before.rendition && piece.offset === before.offset + before.size
    total += piece.size
    if (!adjacent || have.has(i) || piece.startUs > horizon || total > bytes) break
    last = i
  }
  return last
}

/** How far the picture is there from `us` on without a missing piece, by what was appended. */
export function bufferedUntil(pieces: readonly Piece[], have: ReadonlySet<number>, us: number): number {
  let i = Math.max(0, pieceAt(pieces, us))
  if (i < pieces.length && pieces[i]!.endUs <= us) i += 1
  let until = us
  for (; i < pieces.length && have.has(i); i += 1) until = Math.max(until, pieces[i]!.endUs)
  return i === pieces.length ? Infinity : until
}

/** Whether a file has sound beside its pictures: by this a media source is built, for good. */
export function layoutOf(index: RenditionIndex): number {
  return index.mime.split(',').length
}

/** Pieces `first`..`last` that one media source can hold: files of one source may differ in having sound. */
export interface Stretch {
  first: number
  last: number
}

/** The stretch for a play head at `us`: that of the piece on screen, or of the next one where there is none. */
export function stretchAt(pieces: readonly Piece[], layouts: readonly number[], us: number): Stretch {
  let at = Math.max(0, pieceAt(pieces, us))
  if (pieces[at]!.endUs <= us && at + 1 < pieces.length) at += 1
  const same = (i: number): boolean => i >= 0 && i < pieces.length && layouts[pieces[i]!.rendition] === layouts[pieces[at]!.rendition]
  let [first, last] = [at, at]
  while (same(first - 1)) first -= 1
  while (same(last + 1)) last += 1
  return { first, last }
}

/** Pieces that may leave memory: far behind the play head or far beyond what is wanted. */
export function evictable(pieces: readonly Piece[], have: ReadonlySet<number>, us: number, rate: number): number[] {
  const behind = us - 30e6
  const beyond = us + aheadUs(rate) + 60e6
  return [...have].filter((i) => pieces[i]!.endUs < behind || pieces[i]!.startUs > beyond)
}

/** Longest interval between key frames that stepping counts on. */
const KEY_MAX_US = 4e6

/** From the key frame at `us` to the next one. */
export function keyIntervalUs(pieces: readonly Piece[], us: number): number {
  const piece = pieces[Math.max(0, pieceAt(pieces, us))]
  return piece ? Math.min(piece.endUs - piece.startUs, KEY_MAX_US) : KEY_MAX_US
}

/**
 * The piece whose key frame a stepping pane shows next: the nearest one to where the clock will be when it is on
 * screen, so that the picture is about as often before the clock as behind it, never beyond `endUs`.
 */
export function stepTarget(
  pieces: readonly Piece[],
  clock: { us: number; rate: number; running: boolean },
  endUs: number,
  latencyS: number,
): number {
  const key = keyIntervalUs(pieces, clock.us)
  const lead = clock.running ? Math.min(key / 2 + latencyS * clock.rate * 1e6, 0.9 * key) : 0
  return pieceAt(pieces, Math.min(clock.us + lead, endUs - 1))
}
