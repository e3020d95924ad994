/** What the page calls things: kinds of events by the server's list, everything else by the message catalogue. */

import { shallowRef } from 'vue'
import { api, type Effect, type EventKind, type ProjectTimeline, type TimelineEntry, type TimelineSession } from '@/api/client'
import { eventName, i18n, locale, localName } from '@/i18n'

const kinds = shallowRef<EventKind[]>([])
let asked = false

/** The kinds of events, fetched once; empty until the server has answered. */
export function useKinds(): typeof kinds {
  if (!asked) {
    asked = true
    api.eventKinds().then((found) => (kinds.value = found)).catch(() => (asked = false))
  }
  return kinds
}

/** A kind in words; one that nobody described as it came. */
export function kindName(type: string): string {
  const kind = kinds.value.find((one) => one.type === type)
  return kind ? localName({ name_zh: kind.zh, name_en: kind.en }) : eventName(type)
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
      return value === true ? name : `${name} ${seatName(session, value)}`
    })
    .join(' · ')
}

/** A seat by its number; anything else as it came. */
function seatName(session: TimelineSession, value: unknown): string {
  const ordinal = session.seats.find((one) => one.seat_id === value)?.seat_ordinal
  return typeof ordinal === 'number' ? i18n.global.t('source.seat', { n: ordinal }) : typeof value === 'object' ? JSON.stringify(value) : String(value)
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
