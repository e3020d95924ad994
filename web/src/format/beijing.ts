/**
 * Wall time for people: always Beijing time (UTC+8, without summer time since 1991).
 * Wall time for machines stays in UTC microseconds; only what people enter is parsed.
 */

const SHIFT_MS = 8 * 3600_000
export const SECOND_US = 1_000_000

function shifted(us: number): Date {
  return new Date(Math.floor(us / 1000) + SHIFT_MS)
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, '0')
}

/** `2026-11-20` */
export function formatDate(us: number): string {
  const d = shifted(us)
  return `${d.getUTCFullYear()}-${pad(d.getUTCMonth() + 1)}-${pad(d.getUTCDate())}`
}

/** `09:30:05`, or `09:30:05.120` with `ms` */
export function formatTime(us: number, ms = false): string {
  const d = shifted(us)
  const base = `${pad(d.getUTCHours())}:${pad(d.getUTCMinutes())}:${pad(d.getUTCSeconds())}`
  return ms ? `${base}.${pad(d.getUTCMilliseconds(), 3)}` : base
}

/** `2026-11-20 09:30:05` */
export function formatDateTime(us: number): string {
  return `${formatDate(us)} ${formatTime(us)}`
}

/** `2026-11-20 09:30:05 – 11:02:00`; the second date is written only where it differs. */
export function formatRange(startUs: number, endUs: number): string {
  const end = formatDate(startUs) === formatDate(endUs) ? formatTime(endUs) : formatDateTime(endUs)
  return `${formatDateTime(startUs)} – ${end}`
}

/** `0:47`, `6:03`, `1:02:09` */
export function formatDuration(us: number): string {
  const total = Math.round(us / SECOND_US)
  const hours = Math.floor(total / 3600)
  const minutes = Math.floor((total % 3600) / 60)
  const tail = pad(total % 60)
  return hours > 0 ? `${hours}:${pad(minutes)}:${tail}` : `${minutes}:${tail}`
}

/** What a field of type `datetime-local` shows for a moment: `2026-11-20T09:30:05`, Beijing time wherever the browser is. */
export function toField(us: number): string {
  return `${formatDate(us)}T${formatTime(us)}`
}

/** The moment of such a field, entered as Beijing time; null while it holds none. */
export function fromField(text: string): number | null {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(text) ? Date.parse(`${text}Z`) : NaN
  return Number.isNaN(ms) ? null : (ms - SHIFT_MS) * 1000
}

const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400]

export interface Tick {
  us: number
  label: string
}

/** Round moments of Beijing time in a range, at most `maxCount` of them. */
export function ticks(startUs: number, endUs: number, maxCount: number): Tick[] {
  const spanS = (endUs - startUs) / SECOND_US
  if (!(spanS > 0) || maxCount < 1) return []
  const days = Math.ceil(spanS / maxCount / 86400)
  const stepS = STEPS_S.find((s) => spanS / s <= maxCount) ?? days * 86400
  const stepUs = stepS * SECOND_US
  const shiftUs = SHIFT_MS * 1000
  const found: Tick[] = []
  for (let us = Math.ceil((startUs + shiftUs) / stepUs) * stepUs - shiftUs; us <= endUs; us += stepUs) {
    found.push({ us, label: tickLabel(us, stepS) })
  }
  return found
}

function tickLabel(us: number, stepS: number): string {
  if (stepS >= 86400) return formatDate(us).slice(5)
  return stepS >= 60 ? formatTime(us).slice(0, 5) : formatTime(us)
}
