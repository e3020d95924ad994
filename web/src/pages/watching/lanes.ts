/** Who looked at which time of a project's footage, as lanes under its time axis. Pure. */

import type { LoggedWatch, ProjectWatchLog } from '@/api/client'

type Seen = LoggedWatch['shown'][number]
const NEAR_US = 2_000_000

export interface LaneSpan {
  startUs: number
  endUs: number
  kind: LoggedWatch['kind']
}

export interface Lane {
  account: string
  spans: LaneSpan[]
  /** What was looked at, by kind, microseconds of footage. */
  watches: LoggedWatch[]
}

export interface Span {
  startUs: number
  endUs: number
}

/** The time axis: all sessions, the running one until now. */
export function axisOf(log: ProjectWatchLog): Span | null {
  if (log.sessions.length === 0) return null
  return {
    startUs: Math.min(...log.sessions.map((one) => one.start_us)),
    endUs: Math.max(...log.sessions.map((one) => one.end_us ?? log.now_us)),
  }
}

/** One lane an account, the one who looked first above; of several pictures at once one span is drawn. */
export function lanesOf(watches: readonly LoggedWatch[]): Lane[] {
  const lanes = new Map<string, Lane>()
  for (const one of [...watches].reverse()) {
    const lane = lanes.get(one.account_id) ?? { account: one.account_id, spans: [], watches: [] }
    lanes.set(one.account_id, lane)
    lane.watches.push(one)
    lane.spans.push(...one.shown.map((piece) => ({ startUs: piece.footage_from_us, endUs: piece.footage_to_us, kind: one.kind })))
  }
  return [...lanes.values()].map((lane) => ({ ...lane, spans: merged(lane.spans) }))
}

function merged(spans: LaneSpan[]): LaneSpan[] {
  const found: LaneSpan[] = []
  const sorted = [...spans].sort((a, b) => a.kind.localeCompare(b.kind) || a.startUs - b.startUs)
  for (const one of sorted) {
    const last = found.at(-1)
    if (last && last.kind === one.kind && one.startUs <= last.endUs) last.endUs = Math.max(last.endUs, one.endUs)
    else found.push({ ...one })
  }
  return found
}

/** What was shown of one source, with a picture that stood still between two stretches made part of them. */
export function stretchesOf(shown: readonly Seen[]): Seen[] {
  const found: Seen[] = []
  for (const one of shown) {
    const last = found.at(-1)
    const apart = last ? Math.max(one.footage_from_us - last.footage_to_us, one.seen_from_us - last.seen_to_us) : Infinity
    if (last && apart <= NEAR_US && one.footage_from_us >= last.footage_from_us) {
      last.seen_to_us = one.seen_to_us
      last.footage_to_us = Math.max(last.footage_to_us, one.footage_to_us)
    } else found.push({ ...one })
  }
  return found
}

/** Watches that showed footage of a time, and of each only what lies in it. */
export function within(watches: readonly LoggedWatch[], span: Span): LoggedWatch[] {
  return watches.flatMap((one) => {
    const shown = one.shown.filter((piece) => piece.footage_from_us < span.endUs && piece.footage_to_us >= span.startUs)
    return shown.length ? [{ ...one, shown, sources: one.sources.filter((source) => shown.some((piece) => piece.source_id === source.id)) }] : []
  })
}
