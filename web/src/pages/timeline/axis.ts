/**
 * One axis over days: time is drawn to scale where something happens, and long breaks are folded to a narrow
 * column. A place on the axis is counted in microseconds of drawn time; all of it is pure.
 */

import { formatDate, SECOND_US, ticks, type Tick } from '@/format/beijing'

export interface Span {
  startUs: number
  endUs: number
}

/** A stretch of the axis: `from` and `to` are places on it. */
export interface Piece extends Span {
  from: number
  to: number
  folded: boolean
}

export interface Axis {
  pieces: Piece[]
  length: number
}

const MINUTE_US = 60 * SECOND_US
const LEAST_FOLD_US = 40 * MINUTE_US
const MOST_MARGIN_US = 8 * MINUTE_US
const FOLD_SHARE = 0.045
/** Nobody can tell apart what is nearer. */
const LEAST_VIEW_US = 10 * SECOND_US

/**
 * The axis on which all of `busy` is drawn to scale.
 *
 * @param fold whether breaks are folded; otherwise all time is drawn to scale.
 * @returns null where nothing happens at all.
 */
export function axisOf(busy: readonly Span[], fold: boolean): Axis | null {
  const drawn = joined(busy, fold ? LEAST_FOLD_US : Infinity)
  if (!drawn.length) return null
  const total = drawn.reduce((sum, span) => sum + span.endUs - span.startUs, 0)
  const margin = Math.min(MOST_MARGIN_US, Math.max(SECOND_US, total * 0.012))
  const stretches = drawn.map((span) => ({ startUs: span.startUs - margin, endUs: span.endUs + margin }))
  const narrow = total * FOLD_SHARE
  const pieces: Piece[] = []
  let at = 0
  const add = (span: Span, length: number, folded: boolean): void => {
    pieces.push({ startUs: span.startUs, endUs: span.endUs, from: at, to: (at += length), folded })
  }
  stretches.forEach((span, i) => {
    const before = stretches[i - 1]
    if (before) add({ startUs: before.endUs, endUs: span.startUs }, narrow, true)
    add(span, span.endUs - span.startUs, false)
  })
  return { pieces, length: at }
}

/** Sorted spans; those that a break shorter than `least` parts are one. */
function joined(spans: readonly Span[], least: number): Span[] {
  const found: Span[] = []
  for (const span of [...spans].sort((a, b) => a.startUs - b.startUs)) {
    const last = found.at(-1)
    if (last && span.startUs - last.endUs < least) last.endUs = Math.max(last.endUs, span.endUs)
    else found.push({ startUs: span.startUs, endUs: span.endUs })
  }
  return found
}

/** What is left of spans without some others, such as nights. */
export function without(spans: readonly Span[], others: readonly Span[]): Span[] {
  let left = spans.map(({ startUs, endUs }) => ({ startUs, endUs }))
  for (const other of others) {
    left = left.flatMap((span) => [
      { startUs: span.startUs, endUs: Math.min(span.endUs, other.startUs) },
      { startUs: Math.max(span.startUs, other.endUs), endUs: span.endUs },
    ].filter((piece) => piece.endUs > piece.startUs))
  }
  return left
}

/** Where a moment lies on the axis; one outside lies at its end. */
export function placeOf(axis: Axis, us: number): number {
  const piece = axis.pieces.find((one) => us <= one.endUs)
  if (!piece) return axis.length
  const share = (us - piece.startUs) / (piece.endUs - piece.startUs)
  return piece.from + Math.max(0, share) * (piece.to - piece.from)
}

/** The moment at a place of the axis. */
export function momentAt(axis: Axis, place: number): number {
  const piece = axis.pieces.find((one) => place <= one.to) ?? axis.pieces.at(-1)!
  const share = Math.min(1, Math.max(0, (place - piece.from) / (piece.to - piece.from)))
  return piece.startUs + share * (piece.endUs - piece.startUs)
}

/** The part of the axis that is seen, as wall time, so that it stays where it is when the axis changes; null: all. */
export type View = Span | null

function placesOf(axis: Axis, view: View): [number, number] {
  return view ? [placeOf(axis, view.startUs), placeOf(axis, view.endUs)] : [0, axis.length]
}

function viewOf(axis: Axis, from: number, to: number): View {
  const length = Math.min(axis.length, Math.max(LEAST_VIEW_US, to - from))
  if (length >= axis.length * 0.999) return null
  const start = Math.min(axis.length - length, Math.max(0, from))
  return { startUs: momentAt(axis, start), endUs: momentAt(axis, start + length) }
}

/** Nearer (factor above 1) or farther, so that a moment stays where it is. */
export function zoomed(axis: Axis, view: View, factor: number, aroundUs: number): View {
  const [from, to] = placesOf(axis, view)
  const fixed = Math.min(to, Math.max(from, placeOf(axis, aroundUs)))
  const length = Math.max(LEAST_VIEW_US, (to - from) / factor)
  return viewOf(axis, fixed - ((fixed - from) / (to - from || 1)) * length, fixed - ((fixed - from) / (to - from || 1)) * length + length)
}

/** Moved by a share of what is seen; positive: to later time. */
export function panned(axis: Axis, view: View, share: number): View {
  const [from, to] = placesOf(axis, view)
  const by = share * (to - from)
  return viewOf(axis, from + by, to + by)
}

/** The same magnification with a span in the middle, wider if it would not fit; as it is where the span is seen. */
export function showing(axis: Axis, view: View, span: Span): View {
  if (!view || (view.startUs <= span.startUs && span.endUs <= view.endUs)) return view
  const [from, to] = placesOf(axis, view)
  const [first, last] = [placeOf(axis, span.startUs), placeOf(axis, span.endUs)]
  const half = Math.max(to - from, (last - first) * 1.5) / 2
  return viewOf(axis, (first + last) / 2 - half, (first + last) / 2 + half)
}

/** From moments to pixels and back, for one view and width. */
export interface Scale {
  width: number
  x: (us: number) => number
  us: (x: number) => number
}

export function scaleOf(axis: Axis, view: View, width: number): Scale {
  const [from, to] = placesOf(axis, view)
  const perPixel = (to - from) / Math.max(1, width)
  return {
    width,
    x: (us) => (placeOf(axis, us) - from) / perPixel,
    us: (x) => momentAt(axis, from + x * perPixel),
  }
}

export interface PlacedTick extends Tick {
  x: number
}

const TICK_PX = 84
const LABEL_PX = 58

/** Round moments that are seen, none where time is folded, with labels that leave each other room. */
export function ticksOf(axis: Axis, scale: Scale): PlacedTick[] {
  const found: PlacedTick[] = []
  for (const piece of axis.pieces) {
    if (piece.folded) continue
    const seen = { startUs: Math.max(piece.startUs, scale.us(0)), endUs: Math.min(piece.endUs, scale.us(scale.width)) }
    const wide = scale.x(seen.endUs) - scale.x(seen.startUs)
    if (seen.endUs <= seen.startUs || wide < 8) continue
    for (const tick of ticks(seen.startUs, seen.endUs, Math.max(2, Math.floor(wide / TICK_PX)))) {
      const x = scale.x(tick.us)
      const before = found.at(-1)
      if (before && x - before.x < LABEL_PX) continue
      found.push({ ...tick, x })
    }
  }
  return found
}

export interface DaySpan extends Span {
  /** `2026-03-05` */
  date: string
}

const DAY_US = 86_400 * SECOND_US
const BEIJING_US = 8 * 3600 * SECOND_US

/** The Beijing days on which something is drawn, with their drawn part. */
export function daysOf(axis: Axis): DaySpan[] {
  const days = new Map<string, DaySpan>()
  for (const piece of axis.pieces.filter((one) => !one.folded)) {
    for (let us = piece.startUs; us < piece.endUs; ) {
      const number = Math.floor((us + BEIJING_US) / DAY_US)
      const next = (number + 1) * DAY_US - BEIJING_US
      const endUs = Math.min(piece.endUs, next)
      const date = formatDate(us)
      const day = days.get(date)
      if (day) day.endUs = endUs
      else days.set(date, { date, startUs: us, endUs })
      us = next
    }
  }
  return [...days.values()]
}
