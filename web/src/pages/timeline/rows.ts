/** A project's timeline as rows of bars and moments on the axis. Pure but for the words. */

import type { ProjectTimeline, TimelineEntry, TimelineSession } from '@/api/client'
import { formatDuration, formatRange, formatTime, SECOND_US } from '@/format/beijing'
import { i18n, labelWithin, localLabel, localName } from '@/i18n'
import { without, type Span } from './axis'
import { chainsOf, inForce } from './chains'
import { detailsText, entryName, sectionName, sectionTitle, severityName, tagName, whoSaid } from './words'

/** What is missing, what was filled afterwards, and what may still come. */
export type GapLook = 'gap' | 'backfilled' | 'pending'

export type Look =
  | 'session' | 'roll' | 'pause' | 'night' | 'section' | 'member' | 'expected' | 'expected-roll'
  | GapLook | 'fault' | 'booking' | 'booking-void'

export interface Bar extends Span {
  look: Look
  /** Written on it where it fits, else the shorter one. */
  text: string
  short: string
  /** Lines that say what it is. */
  tip: string[]
  /** What choosing it selects; empty: nothing. */
  pick: string
  /** Every other one of its kind, so that two beside each other can be told apart. */
  second: boolean
  /** Its end still moves. */
  open: boolean
}

export type Mark = 'start' | 'end' | 'pause' | 'resume' | 'night' | 'section' | 'fault' | 'mark' | 'flag-major' | 'flag-minor' | 'flag'

export interface Point {
  pick: string
  atUs: number
  text: string
  tip: string[]
  mark: Mark
  /** Put right or taken back since. */
  old: boolean
}

export interface Row {
  id: string
  kind: 'session' | 'sections' | 'seat' | 'source' | 'faults' | 'bookings' | 'events' | 'tags' | 'sources'
  label: string
  bars: Bar[]
  points: Point[]
}

export interface Group {
  id: string
  /** What belongs to no session has a title instead. */
  session: TimelineSession | null
  title: string
  rows: Row[]
  /** Pauses and nights, behind all rows. */
  bands: Bar[]
}

/** Something that can be chosen, and where it is. */
export interface Picked extends Span {
  pick: string
  sessionId: string | null
}

const t = i18n.global.t
const MOMENT_US = 60 * SECOND_US
const EDGE_US = 6 * 60 * SECOND_US

type Clip = TimelineSession['clips'][number]
type ClipGap = Clip['gaps'][number]
type Tag = ProjectTimeline['tags'][number]

export function eventPick(event: TimelineEntry): string {
  return `event:${event.id}`
}

export function gapPick(clip: Clip, gap: ClipGap): string {
  return `gap:${clip.id}:${gap.start_us}:${gap.backfilled}`
}

export function tagPick(tag: Tag): string {
  return `tag:${tag.id}`
}

export function seatPick(seatingId: string): string {
  return `seat:${seatingId}`
}

const ROLES = ['main', 'secondary', 'external']

/** Sessions by phase, phases as they first began, the main venue first. */
export function inOrder(sessions: readonly TimelineSession[]): TimelineSession[] {
  const start = (one: TimelineSession): number => one.start_us ?? Infinity
  const began = new Map<string, number>()
  for (const one of sessions) began.set(one.phase, Math.min(began.get(one.phase) ?? Infinity, start(one)))
  const phases = [...began].sort(([, a], [, b]) => (a === b ? 0 : a - b)).map(([phase]) => phase)
  const key = (one: TimelineSession): number[] => [phases.indexOf(one.phase), ROLES.indexOf(one.venue_role), start(one)]
  return [...sessions].sort((a, b) => key(a).map((value, i) => value - key(b)[i]!).find((difference) => difference !== 0 && !Number.isNaN(difference)) ?? 0)
}

/** Who sat where, as it is or was said; nothing of a session that has not begun lies on the axis. */
function seatPicks(session: TimelineSession, nowUs: number): Picked[] {
  const { start_us: start } = session
  if (start === null) return []
  return session.seatings.map((one) => {
    const startUs = one.from_us ?? start
    return { pick: seatPick(one.id), sessionId: session.id, startUs, endUs: Math.max(startUs, one.to_us ?? session.end_us ?? nowUs) }
  })
}

/** Everything on the page that can be chosen. */
export function pickables(timeline: ProjectTimeline): Map<string, Picked> {
  const all: Picked[] = timeline.sessions.flatMap((session) => [
    ...session.events.map((event) => ({ pick: eventPick(event), sessionId: session.id, startUs: event.at_us, endUs: event.at_us })),
    ...seatPicks(session, timeline.now_us),
    ...session.clips.flatMap((clip) =>
      clip.gaps.map((gap) => ({ pick: gapPick(clip, gap), sessionId: session.id, startUs: gap.start_us, endUs: gap.end_us })),
    ),
  ])
  for (const tag of timeline.tags) all.push({ pick: tagPick(tag), sessionId: tag.session_id, startUs: tag.at_us, endUs: tag.at_us })
  return new Map(all.map((one) => [one.pick, one]))
}

/** When something happens: what the axis must draw to scale. Nights happen at their edges only. */
export function busyOf(timeline: ProjectTimeline, nowUs: number): Span[] {
  const lasting: Span[] = timeline.bookings.map(span)
  const moments: number[] = timeline.tags.map((tag) => tag.at_us)
  const nights: Span[] = []
  for (const session of timeline.sessions) {
    if (session.start_us !== null) lasting.push({ startUs: session.start_us, endUs: session.end_us ?? nowUs })
    lasting.push(...session.clips.map(span))
    nights.push(...session.nights.map(span).map((one) => ({ startUs: one.startUs + EDGE_US, endUs: one.endUs - EDGE_US })))
    moments.push(...session.events.map((event) => event.at_us))
    moments.push(...session.clips.flatMap((clip) => clip.gaps.flatMap((gap) => [gap.start_us, gap.end_us])))
  }
  const drawn = without(lasting, nights.filter((one) => one.endUs > one.startUs))
  return [...drawn, ...moments.map((us) => ({ startUs: us - MOMENT_US, endUs: us + MOMENT_US }))]
}

/**
 * The groups of the chart: what belongs to no session first, then the sessions in their order.
 *
 * @param unfolded sessions all of whose sources are shown; of the others those with gaps are.
 */
export function groupsOf(timeline: ProjectTimeline, nowUs: number, unfolded: ReadonlySet<string>): Group[] {
  const loose = timeline.tags.filter((tag) => !timeline.sessions.some((one) => one.id === tag.session_id))
  const common = [...bookingRows(timeline), ...tagRows('project', loose)]
  const title = [timeline.bookings.length ? t('timeline.booked') : '', loose.length ? t('timeline.tags') : ''].filter(Boolean).join(' · ')
  const groups: Group[] = timeline.sessions.map((session) => ({
    id: session.id,
    session,
    title: '',
    rows: sessionRows(timeline, session, nowUs, unfolded.has(session.id)),
    bands: stops(session),
  }))
  return common.length ? [{ id: 'project', session: null, title, rows: common, bands: [] }, ...groups] : groups
}

function span(one: { start_us: number; end_us: number }): Span {
  return { startUs: one.start_us, endUs: one.end_us }
}

function bar(look: Look, where: Span, title: string, more: Partial<Bar> = {}): Bar {
  const length = formatDuration(where.endUs - where.startUs)
  return { ...where, look, text: '', short: '', pick: '', second: false, open: false, tip: [title, `${formatRange(where.startUs, where.endUs)} (${length})`], ...more }
}

function row(id: string, kind: Row['kind'], label: string, bars: Bar[], points: Point[] = []): Row {
  return { id: `${kind}:${id}`, kind, label, bars, points }
}

function sessionRows(timeline: ProjectTimeline, session: TimelineSession, nowUs: number, unfolded: boolean): Row[] {
  const tags = timeline.tags.filter((tag) => tag.session_id === session.id)
  const rows: Row[] = []
  if (session.start_us !== null) rows.push(row(session.id, 'session', t('timeline.session'), sessionBars(session, nowUs)))
  if (session.events.length) rows.push(row(session.id, 'events', t('timeline.events'), [], eventPoints(session)))
  rows.push(...tagRows(session.id, tags))
  if (session.sections.length && timeline.sections.length > 1) {
    rows.push(row(session.id, 'sections', t('timeline.sections'), sectionBars(timeline, session)))
  }
  const faults = faultBars(session, nowUs)
  if (faults.length) rows.push(row(session.id, 'faults', t('timeline.faults'), faults))
  return [...rows, ...seatRows(session, unfolded)]
}

function sessionBars(session: TimelineSession, nowUs: number): Bar[] {
  const wall = { startUs: session.start_us!, endUs: session.end_us ?? Math.max(nowUs, session.start_us!) }
  const open = session.end_us === null
  const title = `${t(`phase.${session.phase}`)} · ${t(`state.${session.state}`)}`
  const bars = [bar('session', wall, title, { text: t(`phase.${session.phase}`), open })]
  const first = Math.min(wall.startUs, ...session.clips.map((clip) => clip.start_us))
  const last = Math.max(wall.endUs, ...session.clips.map((clip) => clip.end_us))
  if (first < wall.startUs) bars.push(bar('roll', { startUs: first, endUs: wall.startUs }, t('timeline.preRoll')))
  if (last > wall.endUs && !open) bars.push(bar('roll', { startUs: wall.endUs, endUs: last }, t('timeline.postRoll')))
  return [...bars, ...stops(session)]
}

function stops(session: TimelineSession): Bar[] {
  return [
    ...session.pauses.map((one) => bar('pause', span(one), t('timeline.pause'), { text: t('timeline.pause') })),
    ...session.nights.map((one) => bar('night', span(one), t('timeline.night'), { text: t('timeline.night') })),
  ]
}

const MARKS: Partial<Record<TimelineEntry['effect'], Mark>> = {
  session_start: 'start',
  session_end: 'end',
  session_cancelled: 'end',
  pause: 'pause',
  resume: 'resume',
  night_start: 'night',
  night_end: 'resume',
  section: 'section',
  fault_start: 'fault',
  fault_end: 'resume',
}

function eventPoints(session: TimelineSession): Point[] {
  const points = chainsOf(session.events).flatMap((chain) => {
    const said = chain.withdrawn ? chain.past : [chain.head, ...chain.past]
    return said.map((event, i): Point => {
      const old = chain.withdrawn || i > 0
      const tip = [`${formatTime(event.at_us)} ${entryName(event)}`]
      const by = t('timeline.byAt', { who: whoSaid(event.reporter) })
      for (const line of [detailsText(event, session), event.reason, by]) if (line) tip.push(line)
      if (old) tip.push(chain.withdrawn ? t('timeline.withdrawn') : t('timeline.replacedBy', { time: formatTime(chain.head.at_us) }))
      return { pick: eventPick(event), atUs: event.at_us, text: old ? '' : entryName(event), tip, mark: MARKS[event.effect] ?? 'mark', old }
    })
  })
  return points.sort((a, b) => a.atUs - b.atUs)
}

function tagRows(id: string, tags: readonly Tag[]): Row[] {
  const points = tags.filter((tag) => !tag.withdrawn).map((tag): Point => {
    const name = [tagName(tag.kind), severityName(tag.severity)].filter(Boolean).join(' · ')
    const mark = tag.severity === 'major' ? 'flag-major' : tag.severity ? 'flag-minor' : 'flag'
    return { pick: tagPick(tag), atUs: tag.at_us, text: name, tip: [`${formatTime(tag.at_us)} ${name}`, tag.text, whoSaid(tag.reporter)].filter(Boolean), mark, old: tag.replaced_by !== null }
  })
  return points.length ? [row(id, 'tags', t('timeline.tags'), [], points)] : []
}

function sectionBars(timeline: ProjectTimeline, session: TimelineSession): Bar[] {
  return session.sections.map((one, i) =>
    bar('section', span(one), sectionTitle(timeline.sections, one.number), { text: sectionName(one.number), short: String(one.number), second: i % 2 === 1 }),
  )
}

/** Faults from where they begin to where they end; one that nobody ended lasts as long as the session. */
function faultBars(session: TimelineSession, nowUs: number): Bar[] {
  const bars: Bar[] = []
  const open: TimelineEntry[] = []
  const close = (event: TimelineEntry, endUs: number, lasts: boolean): void => {
    const what = [event.reason, detailsText(event, session)].filter(Boolean).join(' · ')
    bars.push(bar('fault', { startUs: event.at_us, endUs: Math.max(endUs, event.at_us) }, `${t('timeline.fault')} ${what}`, { text: t('timeline.fault'), pick: eventPick(event), open: lasts }))
  }
  for (const event of inForce(session.events)) {
    if (event.effect === 'fault_start') open.push(event)
    if (event.effect !== 'fault_end' || !open.length) continue
    const same = open.findIndex((one) => one.details.camera === event.details.camera)
    close(open.splice(Math.max(0, same), 1)[0]!, event.at_us, false)
  }
  for (const event of open) close(event, session.end_us ?? nowUs, session.end_us === null)
  return bars
}

/** A row for each seat with its members, below it its sources; then those that look at no seat. */
function seatRows(session: TimelineSession, unfolded: boolean): Row[] {
  const sources = [...sourcesOf(session)].filter(([, clips]) => unfolded || clips.some((clip) => clip.gaps.length))
  const rows: Row[] = []
  const seats = new Map<string, TimelineSession['seats']>()
  for (const one of [...session.seats].sort((a, b) => (a.seat_ordinal ?? 0) - (b.seat_ordinal ?? 0) || a.start_us - b.start_us)) {
    seats.set(one.seat_id, [...(seats.get(one.seat_id) ?? []), one])
  }
  for (const [id, members] of seats) {
    const label = members[0]!.seat_ordinal === null ? id : t('source.seat', { n: members[0]!.seat_ordinal })
    const bars = members.map((one, i) => bar('member', span(one), `${label} · ${one.member}`, { text: one.member, second: i % 2 === 1, pick: one.seating_id && seatPick(one.seating_id) }))
    rows.push(row(`${session.id}:${id}`, 'seat', label, bars))
    rows.push(...sources.filter(([, clips]) => clips[0]!.seat_id === id).map(([source, clips]) => sourceRow(session, source, clips)))
  }
  const roomy = sources.filter(([, clips]) => !seats.has(clips[0]!.seat_id ?? '')).map(([source, clips]) => sourceRow(session, source, clips))
  const all = sourcesOf(session).size
  return all ? [...rows, row(session.id, 'sources', t('timeline.sourceCount', { n: all }), []), ...roomy] : rows
}

function sourcesOf(session: TimelineSession): Map<string, Clip[]> {
  const found = new Map<string, Clip[]>()
  for (const clip of session.clips) found.set(clip.source_id, [...(found.get(clip.source_id) ?? []), clip])
  return found
}

function sourceRow(session: TimelineSession, id: string, clips: readonly Clip[]): Row {
  const name = localLabel(clips[0]!)
  const room = localName({ name_zh: session.room_name_zh, name_en: session.room_name_en })
  const wall = { startUs: session.start_us ?? 0, endUs: session.end_us ?? Infinity }
  const bars = clips.flatMap((clip) => {
    const rolls = without([span(clip)], [wall]).map((one) => bar('expected-roll', one, name))
    const inside = { startUs: Math.max(clip.start_us, wall.startUs), endUs: Math.min(clip.end_us, wall.endUs) }
    return [...rolls, ...(inside.endUs > inside.startUs ? [bar('expected', inside, name)] : [])]
  })
  const gaps = clips.flatMap((clip) => clip.gaps.map((gap) => gapBar(name, clip, gap)))
  return row(`${session.id}:${id}`, 'source', labelWithin(name, room), [...bars, ...gaps])
}

export function gapLook(gap: ClipGap): GapLook {
  if (gap.backfilled) return 'backfilled'
  return gap.cause === 'pending' ? 'pending' : 'gap'
}

/** A gap in words: what was missing why, and that it was filled. */
export function gapText(gap: ClipGap): string {
  const cause = t(`cause.${gap.cause}`)
  const look = gapLook(gap)
  return look === 'pending' ? cause : `${t(`timeline.${look}`)} · ${cause}`
}

function gapBar(name: string, clip: Clip, gap: ClipGap): Bar {
  return bar(gapLook(gap), span(gap), `${name} · ${gapText(gap)}`, { pick: gapPick(clip, gap) })
}

/** A row for each booked room. */
function bookingRows(timeline: ProjectTimeline): Row[] {
  const rooms = new Map<string, ProjectTimeline['bookings']>()
  for (const one of timeline.bookings) rooms.set(one.room_id, [...(rooms.get(one.room_id) ?? []), one])
  return [...rooms].map(([id, bookings]) => {
    const room = localName({ name_zh: bookings[0]!.room_name_zh, name_en: bookings[0]!.room_name_en })
    const bars = bookings.map((one) => {
      const status = t(`timeline.bookings.${one.status}`)
      return bar(one.status === 'confirmed' ? 'booking' : 'booking-void', span(one), `${room} · ${status}`, { text: status })
    })
    return row(id, 'bookings', room, bars)
  })
}
