/** The page of all sources: what is looked for and which rooms are open, as the address keeps it. Pure but for words. */

import type { LocationQuery } from 'vue-router'
import type { SourceStatus } from '@/api/client'
import { i18n } from '@/i18n'
import { isMissing, type Place } from './figures'

export interface SourcesView {
  text: string
  faulty: boolean
  /** Rooms that somebody opened or shut; all others are as their number says. */
  open: readonly string[]
  shut: readonly string[]
  /** The room that somebody came for; it stands open until it is shut. */
  room: string
}

/** Up to so many sources all rooms stand open. */
export const FEW = 60

export function viewFrom(query: LocationQuery): SourcesView {
  return { text: one(query.q), faulty: one(query.faulty) === '1', open: list(query.open), shut: list(query.shut), room: one(query.room) }
}

/** Only what differs from the page as it is found. */
export function toAddress(view: SourcesView): Record<string, string> {
  const all = { q: view.text, faulty: view.faulty ? '1' : '', open: view.open.join(','), shut: view.shut.join(','), room: view.room }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ''))
}

function one(value: LocationQuery[string] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? ''
}

function list(value: LocationQuery[string] | undefined): string[] {
  return one(value).split(',').filter(Boolean)
}

function plain(text: string): string {
  return text.normalize('NFKC').toLowerCase()
}

/** All that a source is known by, in both languages: name, id, room, site, seat, content. */
function described(source: SourceStatus): string {
  const seat = source.seat_ordinal === null ? [] : [source.seat_id, i18n.global.t('source.seat', { n: source.seat_ordinal }), `${source.seat_ordinal}号席`]
  const { id, label_zh, label_en, room_id, room_name_zh, room_name_en, site_name_zh, site_name_en } = source
  return plain([id, label_zh, label_en, room_id, room_name_zh, room_name_en, site_name_zh, site_name_en, i18n.global.t(`kind.${source.content_kind}`), ...seat].join('\n'))
}

/** The rooms with those of their sources that are looked for: every word of the text stands somewhere in what is known of them. */
export function found(places: readonly Place[], view: SourcesView): Place[] {
  const words = plain(view.text).split(/\s+/).filter(Boolean)
  const fits = (source: SourceStatus): boolean => {
    if (view.faulty && !isMissing(source)) return false
    const known = words.length ? described(source) : ''
    return words.every((word) => known.includes(word))
  }
  return places.map((place) => ({ ...place, sources: place.sources.filter(fits) })).filter((place) => place.sources.length)
}

/** Whether a room stands open where so many sources are shown. */
export function isOpen(view: SourcesView, roomId: string, shown: number): boolean {
  if (view.room === roomId || view.open.includes(roomId)) return true
  return !view.shut.includes(roomId) && shown <= FEW
}

export function toggled(view: SourcesView, roomId: string, shown: number): SourcesView {
  const without = (rooms: readonly string[]): string[] => rooms.filter((room) => room !== roomId)
  const was = isOpen(view, roomId, shown)
  const open = was ? without(view.open) : [...without(view.open), ...(shown > FEW ? [roomId] : [])]
  const shut = was ? [...without(view.shut), ...(shown <= FEW ? [roomId] : [])] : without(view.shut)
  return { ...view, open, shut, room: view.room === roomId ? '' : view.room }
}

export interface Health {
  good: number
  bad: number
  /** Nobody wants them recorded now. */
  idle: number
}

export function healthOf(sources: readonly SourceStatus[]): Health {
  const good = sources.filter((one) => one.shortfall === null).length
  const bad = sources.filter(isMissing).length
  return { good, bad, idle: sources.length - good - bad }
}

export interface SitePlaces {
  id: string
  site: Place['site']
  places: Place[]
}

export function bySite(places: readonly Place[]): SitePlaces[] {
  const sites = new Map<string, SitePlaces>()
  for (const place of places) {
    const id = place.sources[0]!.site_id
    const site = sites.get(id) ?? { id, site: place.site, places: [] }
    site.places.push(place)
    sites.set(id, site)
  }
  return [...sites.values()]
}
