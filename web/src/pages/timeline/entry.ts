/** What somebody enters about an event, checked before it is sent. Pure. */

import type { ApiError, EventByHand, EventKind, ProjectTimeline, TimelineEntry, TimelineSession } from '@/api/client'
import { fromField, toField } from '@/format/beijing'

export interface Draft {
  mode: 'add' | 'correct' | 'withdraw'
  sessionId: string
  /** What is put right or taken back. */
  event: TimelineEntry | null
  type: string
  /** As the field for it holds it: Beijing time. */
  time: string
  section: number | null
  reason: string
  name: string
}

export type Missing = 'type' | 'time' | 'section' | 'reason' | 'name'

export function draftOf(mode: Draft['mode'], session: TimelineSession, event: TimelineEntry | null, atUs: number, name: string): Draft {
  const section = event?.details.section
  return {
    mode,
    sessionId: session.id,
    event,
    type: event?.type ?? '',
    time: toField(event?.at_us ?? atUs),
    section: typeof section === 'number' ? section : null,
    reason: '',
    name,
  }
}

/** Whether an event of that kind says which section is dealt with. */
export function namesSection(kinds: readonly EventKind[], type: string): boolean {
  return kinds.find((one) => one.type === type)?.effect === 'section'
}

/** The first thing that is not filled in. */
export function missing(draft: Draft, kinds: readonly EventKind[]): Missing | null {
  if (!draft.type) return 'type'
  if (fromField(draft.time) === null) return 'time'
  if (namesSection(kinds, draft.type) && draft.section === null && draft.mode !== 'withdraw') return 'section'
  if (!draft.reason.trim()) return 'reason'
  return draft.name.trim() ? null : 'name'
}

/** The moment of a draft; one whose field was not touched keeps its fractions of a second. */
export function momentOf(draft: Draft): number | null {
  if (draft.event && draft.time === toField(draft.event.at_us)) return draft.event.at_us
  return fromField(draft.time)
}

/** Whether a correction would change nothing. */
export function unchanged(draft: Draft): boolean {
  const { event } = draft
  if (draft.mode !== 'correct' || !event) return false
  return momentOf(draft) === event.at_us && draft.type === event.type && (event.details.section ?? null) === draft.section
}

/** What is sent. Details that the page does not show are kept as they were told. */
export function toEvent(draft: Draft, kinds: readonly EventKind[]): EventByHand {
  const details = { ...draft.event?.details }
  if (draft.mode !== 'withdraw' && namesSection(kinds, draft.type) && draft.section !== null) details.section = draft.section
  return {
    at_us: momentOf(draft)!,
    type: draft.type,
    reason: draft.reason.trim(),
    principal: draft.name.trim(),
    replaces: draft.event?.id ?? null,
    withdrawn: draft.mode === 'withdraw',
    details,
  }
}

const FAR_US = 12 * 3_600_000_000

/** How far a moment is from where it should be near, if that is more than half a day: a slip in the date, perhaps. */
export function farFrom(draft: Draft, timeline: ProjectTimeline): { us: number; what: 'theOriginal' | 'theSession' } | null {
  const at = momentOf(draft)
  if (at === null || draft.mode === 'withdraw') return null
  if (draft.event) {
    const us = Math.abs(at - draft.event.at_us)
    return us > FAR_US ? { us, what: 'theOriginal' } : null
  }
  const session = timeline.sessions.find((one) => one.id === draft.sessionId)
  if (!session || session.start_us === null) return null
  const us = Math.max(session.start_us - at, at - (session.end_us ?? timeline.now_us), 0)
  return us > FAR_US ? { us, what: 'theSession' } : null
}

const REFUSALS = ['in_future', 'event_replaced', 'ends_before_start', 'other']

/** The key of the words for why nothing was saved. */
export function refusalOf(error: ApiError): string {
  if (REFUSALS.includes(error.code)) return `timeline.refusals.${error.code}`
  if (error.status === 0) return 'timeline.refusals.network'
  return error.status === 422 ? 'timeline.refusals.invalid' : 'timeline.refusals.other'
}
