/** How figures of sources are written, and what is to be alarmed about. Numbers always carry their unit. */

import type { Disk, Fault, SourcesOverview, SourceStatus } from '@/api/client'
import { formatDuration, SECOND_US } from '@/format/beijing'
import { localLabel, localName } from '@/i18n'

/** `640 kbit/s`, `4.12 Mbit/s` */
export function formatBitRate(kbps: number): string {
  return kbps < 1000 ? `${Math.round(kbps)} kbit/s` : `${(kbps / 1000).toFixed(2)} Mbit/s`
}

/** With its sign: `+12 ms`, `-1.5 s`, `+1:30:00` */
export function formatOffset(us: number): string {
  const sign = us < 0 ? '-' : '+'
  const size = Math.abs(us)
  if (size < SECOND_US) return `${sign}${Math.round(size / 1000)} ms`
  return size < 60 * SECOND_US ? `${sign}${(size / SECOND_US).toFixed(1)} s` : `${sign}${formatDuration(size)}`
}

/** `2 s`, `7:05`, `26:00:00`; a frame of the future, by clocks that differ, is none old. */
export function formatAge(us: number): string {
  const size = Math.max(0, us)
  return size < 60 * SECOND_US ? `${Math.round(size / SECOND_US)} s` : formatDuration(size)
}

/** `0.3 s`, `42 s`, `6:16`: a gap of a moment is one, too. */
export function formatLength(us: number): string {
  return us < 10 * SECOND_US ? `${(us / SECOND_US).toFixed(1)} s` : formatAge(us)
}

export interface GapSum {
  count: number
  durationUs: number
}

export function gapSum(sources: readonly SourceStatus[]): GapSum {
  const totals = sources.flatMap((source) => source.gaps_day)
  return {
    count: totals.reduce((sum, one) => sum + one.count, 0),
    durationUs: totals.reduce((sum, one) => sum + one.duration_us, 0),
  }
}

/** Should be recorded now and is not. */
export function isMissing(source: SourceStatus): boolean {
  return source.should_record && source.shortfall !== null
}

/** `good`, `bad` (missing), `wait` (missing, but on its way), `idle` (nobody wants it now). */
export function tone(source: SourceStatus): 'good' | 'bad' | 'wait' | 'idle' {
  if (source.shortfall === null) return 'good'
  if (!source.should_record) return 'idle'
  return source.shortfall === 'connecting' ? 'wait' : 'bad'
}

/** Key of the words for a source's state. */
export function stateKey(source: SourceStatus): string {
  if (source.shortfall === null) return 'sources.recording'
  if (!source.configured) return 'sources.notConfigured'
  return source.should_record ? `sources.shortfall.${source.shortfall}` : 'sources.notWanted'
}

/** Shortfalls that the recorder explains: of others, what it said last explains nothing. */
const EXPLAINED = ['lost', 'refused']

/** What exactly is the matter with a source that is not being recorded; null where only its state is known. */
export function faultOf(source: SourceStatus): Fault | null {
  if (source.fault === 'receiver_silent') return source.fault
  return source.shortfall !== null && EXPLAINED.includes(source.shortfall) ? source.fault : null
}

/** How long the disk lasts, as a key and its number. */
export function lasting(disk: Disk): { key: string; n: string } {
  const days = disk.days_left
  if (days === null) return { key: 'sources.rateUnknown', n: '' }
  if (days > 365) return { key: 'sources.overYear', n: '' }
  return days < 2 ? { key: 'sources.hoursLeft', n: (days * 24).toFixed(1) } : { key: 'sources.daysLeft', n: days.toFixed(1) }
}

/** Room and source; a label that names its room already is enough. */
export function fullName(source: SourceStatus): string {
  const [room, label] = [localName({ name_zh: source.room_name_zh, name_en: source.room_name_en }), localLabel(source)]
  return label.startsWith(room) ? label : `${room} · ${label}`
}

export interface Place {
  id: string
  site: { name_zh: string; name_en: string }
  room: { name_zh: string; name_en: string }
  sources: SourceStatus[]
}

/** Sources by site and room, by seat within a room. */
export function byPlace(overview: SourcesOverview): Place[] {
  const places = new Map<string, Place>()
  for (const source of overview.sources) {
    const place = places.get(source.room_id) ?? {
      id: source.room_id,
      site: { name_zh: source.site_name_zh, name_en: source.site_name_en },
      room: { name_zh: source.room_name_zh, name_en: source.room_name_en },
      sources: [],
    }
    place.sources.push(source)
    places.set(source.room_id, place)
  }
  const key = (place: Place) => `${place.sources[0]!.site_id} ${place.id}`
  for (const place of places.values()) place.sources.sort((a, b) => (a.seat_ordinal ?? 0) - (b.seat_ordinal ?? 0))
  return [...places.values()].sort((a, b) => key(a).localeCompare(key(b)))
}
