/** Who sat where, as somebody puts it right: checked before it is sent. Pure. */

import type { ProjectTimeline, Seating, SeatingByHand, TimelineSession } from '@/api/client'
import { fromField, toField } from '@/format/beijing'

export interface SeatDraft {
  mode: 'add' | 'correct' | 'withdraw'
  sessionId: string
  /** What is put right or taken back. */
  seating: Seating | null
  seatId: string
  /** E2, O1: by ordinal in the committee, never by name. */
  member: string
  /** As the fields hold them, Beijing time; empty: from the session's start, to its end. */
  from: string
  to: string
  reason: string
  name: string
}

export type SeatWanting = 'seat' | 'member' | 'order' | 'unchanged' | 'reason' | 'name'

const MEMBER = /^[A-Z]{1,2}[0-9]{1,3}$/

export function seatDraftOf(mode: SeatDraft['mode'], session: TimelineSession, seating: Seating | null, name: string): SeatDraft {
  const field = (us: number | null | undefined): string => (us ? toField(us) : '')
  return {
    mode,
    sessionId: session.id,
    seating,
    seatId: seating?.seat_id ?? '',
    member: seating?.member ?? '',
    from: field(seating?.from_us),
    to: field(seating?.to_us),
    reason: '',
    name,
  }
}

/** A moment of a field; one that was not touched keeps its fractions of a second. */
function momentOf(field: string, was: number | null | undefined): number | null {
  return was && field === toField(was) ? was : fromField(field)
}

function timesOf(draft: SeatDraft): { fromUs: number | null; toUs: number | null } {
  return { fromUs: momentOf(draft.from, draft.seating?.from_us), toUs: momentOf(draft.to, draft.seating?.to_us) }
}

function memberOf(draft: SeatDraft): string {
  return draft.member.trim().toUpperCase()
}

/** The first thing that keeps it from being sent. */
export function seatWanting(draft: SeatDraft): SeatWanting | null {
  const { fromUs, toUs } = timesOf(draft)
  if (!draft.seatId) return 'seat'
  if (!MEMBER.test(memberOf(draft))) return 'member'
  if (draft.mode !== 'withdraw') {
    if (fromUs !== null && toUs !== null && toUs <= fromUs) return 'order'
    const old = draft.seating
    const same = old && old.seat_id === draft.seatId && old.member === memberOf(draft) && old.from_us === fromUs && old.to_us === toUs
    if (same) return 'unchanged'
  }
  if (!draft.reason.trim()) return 'reason'
  return draft.name.trim() ? null : 'name'
}

/** What is sent. */
export function toSeating(draft: SeatDraft): SeatingByHand {
  const { fromUs, toUs } = timesOf(draft)
  return {
    seat_id: draft.seatId,
    member: memberOf(draft),
    from_us: fromUs,
    to_us: toUs,
    reason: draft.reason.trim(),
    principal: draft.name.trim(),
    replaces: draft.seating?.id ?? null,
    withdrawn: draft.mode === 'withdraw',
  }
}

/** What holds now and says that somebody sat there. */
export function seated(session: TimelineSession): Seating[] {
  return session.seatings.filter((one) => one.replaced_us === null && !one.never)
}

export interface Doubt {
  what: 'taken' | 'elsewhere' | 'outside'
  seating: Seating | null
}

/** What looks like a slip and is taken all the same: a seat with two members, a member on two seats, the wrong day. */
export function doubtsOf(draft: SeatDraft, timeline: ProjectTimeline): Doubt[] {
  const session = timeline.sessions.find((one) => one.id === draft.sessionId)
  if (!session || draft.mode === 'withdraw') return []
  const { fromUs, toUs } = timesOf(draft)
  const [from, to] = [fromUs ?? -Infinity, toUs ?? Infinity]
  const others = seated(session).filter((one) => one.id !== draft.seating?.id && from < (one.to_us ?? Infinity) && (one.from_us ?? -Infinity) < to)
  const doubts: Doubt[] = []
  const taken = others.find((one) => one.seat_id === draft.seatId)
  if (taken) doubts.push({ what: 'taken', seating: taken })
  const elsewhere = others.find((one) => one.member === memberOf(draft) && one.seat_id !== draft.seatId)
  if (elsewhere) doubts.push({ what: 'elsewhere', seating: elsewhere })
  const start = session.start_us
  const end = session.end_us ?? timeline.now_us
  if (start !== null && [fromUs, toUs].some((us) => us !== null && (us < start || us > end))) doubts.push({ what: 'outside', seating: null })
  return doubts
}

export interface SeatGroup {
  seatId: string
  ordinal: number | null
  /** What holds, by time. */
  now: Seating[]
  /** What was put right or taken back, the newest first: struck through beneath it. */
  past: Seating[]
}

/** All that was ever said, seat by seat. */
export function seatGroups(session: TimelineSession): SeatGroup[] {
  const groups = new Map<string, SeatGroup>()
  for (const one of session.seatings) {
    const group = groups.get(one.seat_id) ?? { seatId: one.seat_id, ordinal: one.seat_ordinal, now: [], past: [] }
    if (one.replaced_us === null && !one.never) group.now.push(one)
    else group.past.push(one)
    groups.set(one.seat_id, group)
  }
  for (const group of groups.values()) {
    group.now.sort((a, b) => (a.from_us ?? -Infinity) - (b.from_us ?? -Infinity))
    group.past.sort((a, b) => b.recorded_us - a.recorded_us)
  }
  return [...groups.values()].sort((a, b) => (a.ordinal ?? 0) - (b.ordinal ?? 0) || a.seatId.localeCompare(b.seatId))
}
