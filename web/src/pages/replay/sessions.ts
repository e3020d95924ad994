/** Which sessions of a project are replayed together, and where replay begins. Pure. */

import type { Clip, ProjectTimeline, Session, Tag } from '@/api/client'

export interface Range {
  startUs: number
  endUs: number
}

/** A jump to a tag goes to this long before it. */
export const BEFORE_TAG_US = 5_000_000

export function clipRange(clips: readonly Clip[]): Range {
  return { startUs: Math.min(...clips.map((clip) => clip.start_us)), endUs: Math.max(...clips.map((clip) => clip.end_us)) }
}

function overlap(a: Range, b: Range): boolean {
  return a.startUs < b.endUs && b.startUs < a.endUs
}

/** Sessions of a project at one time: those at a moment, else an evaluation and all that overlap it. */
export function together(sessions: readonly Session[], atUs: number | null): Session[] {
  const filled = sessions.filter((one) => one.clips.length > 0)
  const at = filled.filter((one) => atUs !== null && overlap(clipRange(one.clips), { startUs: atUs, endUs: atUs + 1 }))
  if (at.length > 0) return at
  const base = filled.find((one) => one.phase === 'evaluation') ?? filled[0]
  return base ? filled.filter((one) => overlap(clipRange(one.clips), clipRange(base.clips))) : []
}

/** What the address asks for. */
export interface Asked {
  atUs: number | null
  tagId: string | null
  section: number | null
}

export interface Place {
  atUs: number | null
  tag: Tag | null
}

/** The moment that is asked for; a tag and a section are looked up in the timeline. */
export function placeOf(asked: Asked, timeline: ProjectTimeline | null, sessionId: string | null): Place {
  const tag = standing(timeline?.tags ?? []).find((one) => one.id === asked.tagId) ?? null
  if (tag) return { atUs: tag.at_us - BEFORE_TAG_US, tag }
  const sessions = (timeline?.sessions ?? []).filter((one) => sessionId === null || one.id === sessionId)
  const spans = sessions.filter((one) => sessionId !== null || one.phase === 'evaluation').flatMap((one) => one.sections)
  const span = spans.find((one) => one.number === asked.section)
  return { atUs: span?.start_us ?? asked.atUs, tag: null }
}

/** Tags that stand: neither put right nor taken back. In order of time. */
export function standing(tags: readonly Tag[]): Tag[] {
  return tags.filter((one) => one.replaced_by === null && !one.withdrawn).sort((a, b) => a.at_us - b.at_us)
}

/**
 * The tag before or behind a moment. One that replay was just brought to lies a little ahead of the clock: behind it
 * is the next one.
 */
export function nearTag(tags: readonly Tag[], us: number, direction: 1 | -1): Tag | undefined {
  const SLACK_US = 500_000
  const at = (one: Tag): number => one.at_us - BEFORE_TAG_US
  if (direction > 0) return tags.find((one) => at(one) > us + SLACK_US)
  return tags.findLast((one) => at(one) < us - SLACK_US)
}

/** What is shown large for a tag: face and desktop of its seat, else its source. */
export function focusOf(tag: Tag, clips: readonly Clip[]): string[] {
  const sources = new Map(clips.map((clip) => [clip.source.id, clip.source]))
  const seat = tag.seat_id ?? sources.get(tag.source_id ?? '')?.seat_id
  const own = [...sources.values()].filter((source) => (seat ? source.seat_id === seat : source.id === tag.source_id))
  // The face comes first: it has the sound.
  return own.sort((a, b) => Number(a.content_kind !== 'seat_face') - Number(b.content_kind !== 'seat_face')).map((source) => source.id)
}

/** Whose sound goes with these sources: the first of them that has any, else that of a camera of the room. */
export function soundFor(focus: readonly string[], clips: readonly Clip[]): string | null {
  const heard = clips.filter((clip) => clip.audio_codec !== null)
  const own = heard.find((clip) => focus.includes(clip.source.id))
  const room = clips.find((clip) => focus.includes(clip.source.id))?.source.room_id
  return (own ?? heard.find((clip) => clip.source.room_id === room && clip.source.seat_id === null))?.source.id ?? null
}
