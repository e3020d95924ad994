/** Months of a calendar and their days, as texts: `2026-03`, `2026-03-04`. Days are Beijing days. */

import { formatDate } from '@/format/beijing'

export interface Days {
  from: string
  to: string
}

/** The weeks of a month, from Monday on; null: a day of another month. */
export function weeksOf(month: string): (string | null)[][] {
  const { year, number } = partsOf(month)
  const before = (new Date(Date.UTC(year, number - 1, 1)).getUTCDay() + 6) % 7
  const days = [...Array(lengthOf(month)).keys()].map((day) => dayOf(month, day + 1))
  const cells = [...Array<null>(before).fill(null), ...days]
  const weeks = Math.ceil(cells.length / 7)
  return [...Array(weeks).keys()].map((week) => [...Array(7).keys()].map((at) => cells[week * 7 + at] ?? null))
}

/** So many months later, or earlier. */
export function shifted(month: string, by: number): string {
  const { year, number } = partsOf(month)
  const moved = new Date(Date.UTC(year, number - 1 + by, 1))
  return moved.toISOString().slice(0, 7)
}

export function wholeMonth(month: string): Days {
  return { from: dayOf(month, 1), to: dayOf(month, lengthOf(month)) }
}

/** The month of now, the one before it, and the day of now, in Beijing. */
export function around(nowUs: number): { today: string; month: string; lastMonth: string } {
  const today = formatDate(nowUs)
  return { today, month: today.slice(0, 7), lastMonth: shifted(today.slice(0, 7), -1) }
}

export function partsOf(month: string): { year: number; number: number } {
  return { year: Number(month.slice(0, 4)), number: Number(month.slice(5, 7)) }
}

/** A day as people write it: 2026-03-04, 2026/3/4, 20260304, 2026年3月4日; what is none stays as it is. */
export function dayFrom(text: string): string {
  const plain = text.normalize('NFKC').trim()
  const parts = /^(\d{4})(\d{2})(\d{2})$/.exec(plain) ?? /^(\d{4})\D(\d{1,2})\D(\d{1,2})日?$/.exec(plain)
  return parts ? `${parts[1]}-${parts[2]!.padStart(2, '0')}-${parts[3]!.padStart(2, '0')}` : plain
}

/** Whether there is such a day, and the server knows it. */
export function isDay(text: string): boolean {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00Z`) : NaN
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)
}

function lengthOf(month: string): number {
  const { year, number } = partsOf(month)
  return new Date(Date.UTC(year, number, 0)).getUTCDate()
}

function dayOf(month: string, day: number): string {
  return `${month}-${String(day).padStart(2, '0')}`
}
