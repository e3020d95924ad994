/** How much moves in a source, by what its fragments weigh. Pure. */

import type { Piece } from './fragments'

export interface Activity {
  startUs: number
  endUs: number
  level: number // 0: as light as anything near it, 1: as heavy as anything of this source
}

export interface Range {
  startUs: number
  endUs: number
}

/** What is compared: a fragment with those of so long before and behind it. */
const AROUND_US = 300e6
/** A fragment that weighs no more than this times the lightest around it shows a screen that stands still. */
const STILL = 1.25
/** Shorter stretches are not worth a jump. */
const SHORTEST_US = 15e6

/**
 * Each fragment begins with a whole picture, which weighs the same however little moves behind it: what is above
 * the lightest fragment around is movement.
 */
export function activityOf(pieces: readonly Piece[]): Activity[] {
  const rates = pieces.map(rateOf)
  const most = Math.max(...rates, 0)
  return pieces.map(({ startUs, endUs }, i) => {
    const least = leastAround(pieces, rates, i)
    const room = Math.max(most - least, least * 0.5, 1)
    return { startUs, endUs, level: Math.min(1, (rates[i]! - least) / room) }
  })
}

/** Stretches in which nothing moves; gaps are none. */
export function stillRanges(pieces: readonly Piece[]): Range[] {
  const rates = pieces.map(rateOf)
  const ranges: Range[] = []
  pieces.forEach((piece, i) => {
    if (rates[i]! > leastAround(pieces, rates, i) * STILL) return
    const last = ranges.at(-1)
    if (last && piece.startUs - last.endUs < 1e6) last.endUs = piece.endUs
    else ranges.push({ startUs: piece.startUs, endUs: piece.endUs })
  })
  return ranges.filter((range) => range.endUs - range.startUs >= SHORTEST_US)
}

/** Where all of several sources stand still. */
export function commonRanges(all: readonly (readonly Range[])[]): Range[] {
  const [first, ...rest] = all
  return rest.reduce<Range[]>((common, ranges) => intersection(common, ranges), [...(first ?? [])])
}

function intersection(one: readonly Range[], other: readonly Range[]): Range[] {
  const both = one.flatMap((a) =>
    other.map((b) => ({ startUs: Math.max(a.startUs, b.startUs), endUs: Math.min(a.endUs, b.endUs) })),
  )
  return both.filter((range) => range.endUs - range.startUs >= SHORTEST_US).sort((a, b) => a.startUs - b.startUs)
}

/** Bytes a second. */
function rateOf({ startUs, endUs, size }: Piece): number {
  return (size * 1e6) / Math.max(1, endUs - startUs)
}

/** Short fragments, as at the end of a stretch, weigh more a second and are passed over. */
function leastAround(pieces: readonly Piece[], rates: readonly number[], i: number): number {
  const { startUs, endUs } = pieces[i]!
  let least = rates[i]!
  for (let at = i - 1; at >= 0 && pieces[at]!.endUs > startUs - AROUND_US; at -= 1) least = Math.min(least, rates[at]!)
  for (let at = i + 1; at < pieces.length && pieces[at]!.startUs < endUs + AROUND_US; at += 1) least = Math.min(least, rates[at]!)
  return least
}
