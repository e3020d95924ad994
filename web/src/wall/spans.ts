/** What a source has to show at each moment of a session: picture, gap, or nothing expected. Pure. */

import type { Clip, ClipGap, GapCause, RenditionIndex } from '@/api/client'

/** Smaller holes between fragments are bridged by the browser. */
export const HOLE_US = 150_000

export type OutsideReason = 'before' | 'between' | 'after'

interface Range {
  startUs: number
  endUs: number
}

export type Span = Range &
  (
    | { kind: 'media'; clip: Clip }
    | { kind: 'gap'; clip: Clip; cause: GapCause; gap: Range }
    | { kind: 'pending'; clip: Clip }
    | { kind: 'unreadable'; clip: Clip }
    | { kind: 'outside'; reason: OutsideReason }
  )

/**
 * Split `range` into spans without holes or overlaps.
 *
 * A clip's own gaps win over anything that its file says; time of an archived clip that neither a fragment nor a
 * gap covers is a gap of unknown cause. A clip that is not archived is pending; one that is, and whose index is not
 * there, cannot be read now.
 */
export function spansOf(clips: readonly Clip[], indexes: ReadonlyMap<string, RenditionIndex>, range: Range): Span[] {
  const ordered = [...clips].sort((a, b) => a.start_us - b.start_us)
  const spans: Span[] = []
  let at = range.startUs
  for (const clip of ordered) {
    const start = Math.max(at, clip.start_us)
    const end = Math.min(range.endUs, clip.end_us)
    if (end <= start) continue
    if (start > at) spans.push({ kind: 'outside', reason: spans.length ? 'between' : 'before', startUs: at, endUs: start })
    const index = clip.rendition_id === null ? undefined : indexes.get(clip.rendition_id)
    spans.push(...clipSpans(clip, index, { startUs: start, endUs: end }))
    at = end
  }
  if (at < range.endUs) spans.push({ kind: 'outside', reason: spans.length ? 'after' : 'before', startUs: at, endUs: range.endUs })
  return spans
}

/** Stretches that fragments cover, holes up to `HOLE_US` closed. */
export function coverage(index: RenditionIndex): Range[] {
  const runs: Range[] = []
  for (const fragment of index.fragments) {
    const last = runs.at(-1)
    if (last && fragment.start_us - last.endUs <= HOLE_US) last.endUs = Math.max(last.endUs, fragment.end_us)
    else runs.push({ startUs: fragment.start_us, endUs: fragment.end_us })
  }
  return runs
}

function clipSpans(clip: Clip, index: RenditionIndex | undefined, range: Range): Span[] {
  const runs = index ? coverage(index) : []
  const spans: Span[] = []
  for (const cell of cellsOf(clip, runs, range)) {
    const middle = (cell.startUs + cell.endUs) / 2
    const gap = clip.gaps.find((g) => g.start_us <= middle && middle < g.end_us)
    const covered = runs.some((run) => run.startUs <= middle && middle < run.endUs)
    const edge = cell.endUs - cell.startUs <= HOLE_US
    if (gap) spans.push(gapSpan(clip, gap, cell))
    else if (!index) spans.push({ kind: clip.rendition_id === null ? 'pending' : 'unreadable', clip, ...cell })
    else if (covered || edge) spans.push({ kind: 'media', clip, ...cell })
    else spans.push({ kind: 'gap', clip, cause: 'not_recording', gap: cell, ...cell })
  }
  return merged(spans)
}

function gapSpan(clip: Clip, gap: ClipGap, cell: Range): Span {
  return { kind: 'gap', clip, cause: gap.cause, gap: { startUs: gap.start_us, endUs: gap.end_us }, ...cell }
}

/** The range cut at every boundary of a gap or a run. */
function cellsOf(clip: Clip, runs: readonly Range[], range: Range): Range[] {
  const cuts = new Set([range.startUs, range.endUs])
  for (const gap of clip.gaps) cuts.add(gap.start_us).add(gap.end_us)
  for (const run of runs) cuts.add(run.startUs).add(run.endUs)
  const inside = [...cuts].filter((us) => us >= range.startUs && us <= range.endUs).sort((a, b) => a - b)
  return inside.slice(1).map((endUs, i) => ({ startUs: inside[i]!, endUs }))
}

function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = []
  for (const span of spans) {
    const last = result.at(-1)
    if (last && sameThing(last, span)) last.endUs = span.endUs
    else result.push({ ...span })
  }
  return result
}

function sameThing(a: Span, b: Span): boolean {
  if (a.kind === 'gap' && b.kind === 'gap') return a.cause === b.cause && a.gap.startUs === b.gap.startUs
  return a.kind === b.kind && a.kind !== 'gap'
}

/** The span that holds `us`; the last one at the very end. */
export function spanAt(spans: readonly Span[], us: number): Span | undefined {
  let low = 0
  let high = spans.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if (spans[middle]!.startUs <= us) low = middle
    else high = middle - 1
  }
  return spans[low]
}

/** Where the picture goes on at or after `us`. */
export function nextMedia(spans: readonly Span[], us: number): Span | undefined {
  return spans.find((span) => span.kind === 'media' && span.endUs > us)
}

/** Stretches between a pause event and the resume that ends it, or `endUs`. */
export function pausesOf(events: readonly { at_us: number; type: string }[], endUs: number): Range[] {
  const pauses: Range[] = []
  let since: number | null = null
  for (const event of [...events].sort((a, b) => a.at_us - b.at_us)) {
    if (event.type === 'eval.start') since = null // a session begins unpaused
    else if (event.type === 'eval.pause') since ??= event.at_us
    else if (since !== null && (event.type === 'eval.resume' || event.type === 'eval.end')) {
      pauses.push({ startUs: since, endUs: event.at_us })
      since = null
    }
  }
  if (since !== null && since < endUs) pauses.push({ startUs: since, endUs })
  return pauses
}
