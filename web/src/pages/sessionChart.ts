/** A session as lanes of the time chart. */

import type { Clip, Session } from '@/api/client'
import { kindName } from '@/api/kinds'
import type { ChartEvent, ChartLane } from '@/components/ChartLane'
import { i18n, localLabel } from '@/i18n'

/** Clips by source, in the order in which the server names the sources. */
export function bySource(clips: readonly Clip[]): Map<string, Clip[]> {
  const groups = new Map<string, Clip[]>()
  for (const clip of clips) groups.set(clip.source.id, [...(groups.get(clip.source.id) ?? []), clip])
  return groups
}

export function lanesOf(clips: readonly Clip[]): ChartLane[] {
  return [...bySource(clips)].map(([id, own]) => ({
    id,
    label: localLabel(own[0]!.source),
    note: membersOf(own),
    recorded: own.flatMap(recordedOf),
    gaps: own.flatMap((clip) => clip.gaps.map((gap) => ({ startUs: gap.start_us, endUs: gap.end_us, text: causeText(gap) }))),
    backfilled: own.flatMap((clip) => clip.backfilled.map((part) => ({ startUs: part.start_us, endUs: part.end_us, text: backfillText(part) }))),
  }))
}

/** E1, or `E1 → E2` where the seat changed hands. */
export function membersOf(clips: readonly Clip[]): string {
  return [...new Set(clips.flatMap((clip) => clip.member ?? []))].join(' → ')
}

function causeText(gap: Clip['gaps'][number]): string {
  return `${i18n.global.t('project.gap')} ${i18n.global.t(`cause.${gap.cause}`)}`
}

/** What was fetched afterwards, and why it had to be. */
function backfillText(part: Clip['backfilled'][number]): string {
  return i18n.global.t('project.backfilledOf', { cause: i18n.global.t(`cause.${part.cause}`) })
}

/** Whether what a clip shows at a moment was fetched afterwards. */
export function isBackfilled(clip: Clip, us: number): boolean {
  return clip.backfilled.some((part) => part.start_us <= us && us < part.end_us)
}

/** A clip without its gaps. */
export function recordedOf(clip: Clip): { startUs: number; endUs: number }[] {
  const pieces: { startUs: number; endUs: number }[] = []
  let at = clip.start_us
  for (const gap of [...clip.gaps].sort((a, b) => a.start_us - b.start_us)) {
    if (gap.start_us > at) pieces.push({ startUs: at, endUs: gap.start_us })
    at = Math.max(at, gap.end_us)
  }
  if (at < clip.end_us) pieces.push({ startUs: at, endUs: clip.end_us })
  return pieces
}

export function chartEvents(session: Session): ChartEvent[] {
  return session.events.map((event) => ({
    atUs: event.at_us,
    text: event.reason ? `${kindName(event.type)} · ${event.reason}` : kindName(event.type),
  }))
}

/** From the first to the last of start, clips and end. */
export function chartRange(session: Session): { startUs: number; endUs: number } | null {
  const times = session.clips.flatMap((clip) => [clip.start_us, clip.end_us])
  if (session.start_us !== null) times.push(session.start_us)
  if (session.end_us !== null) times.push(session.end_us)
  const startUs = Math.min(...times)
  const endUs = Math.max(...times)
  return endUs > startUs ? { startUs, endUs } : null
}
