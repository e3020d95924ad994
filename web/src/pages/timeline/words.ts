/** What the page calls things: kinds of events by the server's list, everything else by the message catalogue. */

import type { Effect, ProjectTimeline, Reporter, Seating, TimelineEntry, TimelineSession } from '@/api/client'
import { kindName } from '@/api/kinds'
import { formatDateTime, formatRange } from '@/format/beijing'
import { i18n, locale, localLabel, localName } from '@/i18n'

/** Who said something: a trading system by its name, a person, a file and who brought it. */
export function whoSaid(reporter: Reporter): string {
  return i18n.global.t(`timeline.who.${reporter.kind}`, { name: reporter.name })
}

/** An event in words: its kind, and the section it names. */
export function entryName(event: TimelineEntry): string {
  const section = event.details.section
  const number = typeof section === 'number' ? ` · ${sectionName(section)}` : ''
  return `${kindName(event.type)}${number}`
}

/** What else the reporter said, in words where the page has any for it; sections are part of the name. */
export function detailsText(event: TimelineEntry, session: TimelineSession): string {
  return Object.entries(event.details)
    .filter(([key]) => key !== 'section')
    .map(([key, value]) => {
      const name = i18n.global.te(`timeline.details.${key}`) ? i18n.global.t(`timeline.details.${key}`) : key
      return value === true ? name : `${name} ${valueText(session, key, value)}`
    })
    .join(' · ')
}

/** A seat by its number, a camera by its label, what fails in words where there are any; anything else as it came. */
function valueText(session: TimelineSession, key: string, value: unknown): string {
  const { t, te } = i18n.global
  const ordinal = session.places.find((one) => one.id === value)?.ordinal
  if (ordinal !== undefined) return t('source.seat', { n: ordinal })
  const clip = session.clips.find((one) => one.source_id === value)
  if (clip) return localLabel(clip)
  if (key === 'kind' && te(`timeline.failing.${String(value)}`)) return t(`timeline.failing.${String(value)}`)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

/** A session by what happens there, its room and its start. */
export function sessionName(one: TimelineSession): string {
  const room = localName({ name_zh: one.room_name_zh, name_en: one.room_name_en })
  return `${i18n.global.t(`phase.${one.phase}`)} · ${room}${one.start_us === null ? '' : ` · ${formatDateTime(one.start_us)}`}`
}

/** Seat, member, and from when to when: `3 号席 · E2 · 2026-03-20 09:00:00 – 场次结束`. */
export function occupationText(one: Seating, times = true): string {
  const { t } = i18n.global
  const seat = one.seat_ordinal === null ? one.seat_id : t('source.seat', { n: one.seat_ordinal })
  if (!times) return `${seat} · ${one.member}`
  if (one.from_us === null && one.to_us === null) return `${seat} · ${one.member} · ${t('timeline.seats.throughout')}`
  if (one.from_us !== null && one.to_us !== null) return `${seat} · ${one.member} · ${formatRange(one.from_us, one.to_us)}`
  const from = one.from_us === null ? t('timeline.seats.start') : formatDateTime(one.from_us)
  return `${seat} · ${one.member} · ${from} – ${one.to_us === null ? t('timeline.seats.end') : formatDateTime(one.to_us)}`
}

/** A source by its label, where a clip of the timeline shows it; else its id. */
export function sourceName(timeline: ProjectTimeline, id: string): string {
  const clip = timeline.sessions.flatMap((one) => one.clips).find((one) => one.source_id === id)
  return clip ? localLabel(clip) : id
}

/** Effects after which clips are cut anew (`CUTTING_EFFECTS` of the server). */
const HARMLESS: readonly Effect[] = ['section', 'fault_start', 'fault_end', 'mark']

export function cutsAnew(effect: Effect | undefined): boolean {
  return effect !== undefined && !HARMLESS.includes(effect)
}

const DIGITS = ['', '一', '二', '三', '四', '五', '六', '七', '八', '九']

/** 1 to 99 as Chinese counts: 三, 十, 十二, 二十. */
export function chineseNumber(n: number): string {
  if (!Number.isInteger(n) || n < 1 || n > 99) return String(n)
  const tens = Math.floor(n / 10)
  return `${tens > 1 ? DIGITS[tens] : ''}${tens ? '十' : ''}${DIGITS[n % 10]}`
}

/** 第一标段 */
export function sectionName(n: number): string {
  return i18n.global.t('timeline.section', { n: locale.value === 'en' ? n : chineseNumber(n) })
}

/** A section with its own name, where that says more than its number. */
export function sectionTitle(sections: ProjectTimeline['sections'], n: number): string {
  const own = sections.find((one) => one.number === n)
  const plain = sectionName(n)
  return own && own.name_zh !== plain ? `${plain} ${own.name_zh}` : plain
}

export function tagName(kind: string): string {
  return i18n.global.te(`timeline.tagKinds.${kind}`) ? i18n.global.t(`timeline.tagKinds.${kind}`) : kindName(kind)
}

export function severityName(severity: string): string {
  const key = `timeline.severities.${severity}`
  return i18n.global.te(key) ? i18n.global.t(key) : severity
}

const MINUTE_US = 60_000_000

/** A length in one or two words: 38 分, 13 小时, 9 天. */
export function lengthText(us: number): string {
  const minutes = Math.round(us / MINUTE_US)
  if (minutes < 90) return i18n.global.t('timeline.minutes', { n: minutes })
  if (minutes < 48 * 60) return i18n.global.t('timeline.hours', { n: Math.round(minutes / 60) })
  return i18n.global.t('timeline.days', { n: Math.round(minutes / 1440) })
}

const DAY_US = 1440 * MINUTE_US
const BEIJING_US = 480 * MINUTE_US

/** The weekday of a moment in Beijing: 周四. */
export function weekdayOf(us: number): string {
  const day = Math.floor((us + BEIJING_US) / DAY_US) + 4 // 1 January 1970 was a Thursday
  return i18n.global.t('timeline.weekdays').split(' ')[day % 7]!
}
