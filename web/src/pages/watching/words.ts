/** How records of watching are put into words. */

import { i18n } from '@/i18n'
import type { LoggedWatch } from '@/api/client'
import { formatRange, SECOND_US } from '@/format/beijing'
import { localLabel, localName } from '@/i18n'

type Source = LoggedWatch['sources'][number]

/** The time of the footage that was seen, from the first moment of it to the last; null: no picture was. */
export function footageOf(one: Pick<LoggedWatch, 'shown'>): { startUs: number; endUs: number } | null {
  if (one.shown.length === 0) return null
  return {
    startUs: Math.min(...one.shown.map((piece) => piece.footage_from_us)),
    endUs: Math.max(...one.shown.map((piece) => piece.footage_to_us)),
  }
}

export function whoOf(one: { account_id: string; account_label_zh: string; account_label_en: string }): string {
  return localLabel({ label_zh: one.account_label_zh, label_en: one.account_label_en }) || one.account_id
}

export function sourceName(one: Source): string {
  const room = localName({ name_zh: one.room_name_zh, name_en: one.room_name_en })
  const label = localLabel(one)
  return label.startsWith(room) ? label : `${room} ${label}`
}

export function rangeOf(span: { startUs: number; endUs: number } | null): string {
  return span ? formatRange(span.startUs, span.endUs) : i18n.global.t('watching.nothingShown')
}

/** Beijing quarter that a moment lies in, and the one before: from its first moment to behind its last. */
export function quarterOf(us: number, back = 0): { fromUs: number; toUs: number; label: string } {
  const day = new Date(us / 1000 + 8 * 3600_000)
  const quarter = Math.floor(day.getUTCMonth() / 3) - back
  const first = (number: number): number => (Date.UTC(day.getUTCFullYear(), number * 3, 1) - 8 * 3600_000) * 1000
  const start = new Date(Date.UTC(day.getUTCFullYear(), quarter * 3, 1))
  const label = `${start.getUTCFullYear()} Q${Math.floor(start.getUTCMonth() / 3) + 1}`
  return { fromUs: first(quarter), toUs: first(quarter + 1), label }
}

/** Minutes, as a table shows them. */
export function minutes(us: number): string {
  return (us / (60 * SECOND_US)).toFixed(1)
}
