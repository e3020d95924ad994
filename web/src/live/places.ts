/** What may be watched, flattened: a source with the room, session and seat that it belongs to. Pure. */

import type { LiveRoom, LiveSession, LiveSource, LiveSources } from '@/api/client'

export interface LivePlace {
  source: LiveSource
  room: LiveRoom
  /** null: no session shows there now. */
  session: LiveSession | null
}

export const LAYOUTS = [1, 4, 9, 16] as const
export type Layout = (typeof LAYOUTS)[number]
/** Rooms first, then who sits there, then what they work at. */
const ORDER: Record<string, number> = { room: 0, screen: 1, extraction_terminal: 1, supervision: 2, seat_face: 3, seat_desktop: 4 }

export function placesOf(listed: LiveSources): LivePlace[] {
  const of = (session: LiveSession | null, rooms: readonly LiveRoom[]): LivePlace[] =>
    rooms.flatMap((room) => room.sources.map((source) => ({ source, room, session })))
  return [...listed.sessions.flatMap((session) => of(session, session.rooms)), ...of(null, listed.rooms)]
}

/** What a wall begins with: of each session in turn the most telling picture that is not there yet. */
export function firstChoice(places: readonly LivePlace[]): LivePlace[] {
  const groups = new Map<string, LivePlace[]>()
  for (const place of places) {
    const key = place.session?.session_id ?? `room ${place.room.room_id}`
    groups.set(key, [...(groups.get(key) ?? []), place])
  }
  const ordered = [...groups.values()].map((group) => [...group].sort((a, b) => rank(a) - rank(b)))
  const longest = Math.max(0, ...ordered.map((group) => group.length))
  return Array.from({ length: longest }, (_, i) => ordered.flatMap((group) => group[i] ?? [])).flat()
}

function rank(place: LivePlace): number {
  return ORDER[place.source.content_kind]! * 1000 + (place.source.seat_ordinal ?? 0)
}

/** The smallest layout that holds so many; sixteen where none does. */
export function layoutFor(count: number, most: Layout = 16): Layout {
  return LAYOUTS.find((layout) => layout >= Math.min(count, most)) ?? most
}

/** A room's own pictures and the faces at its seats: one step nearer than the wall. */
export function inRoom(places: readonly LivePlace[], near: LivePlace): LivePlace[] {
  const there = sameRoom(places, near)
  const faces = there.filter((one) => one.source.content_kind !== 'seat_desktop')
  return (faces.length > 0 ? faces : there).sort((a, b) => rank(a) - rank(b))
}

/** All pictures of one seat. */
export function atSeat(places: readonly LivePlace[], near: LivePlace): LivePlace[] {
  return sameRoom(places, near)
    .filter((one) => one.source.seat_id !== null && one.source.seat_id === near.source.seat_id)
    .sort((a, b) => rank(a) - rank(b))
}

/** The desktops beside a picture: one for each seat of its session. */
export function desktopsBeside(places: readonly LivePlace[], near: LivePlace): LivePlace[] {
  const session = near.session?.session_id
  const there = session ? places.filter((one) => one.session?.session_id === session) : sameRoom(places, near)
  return there.filter((one) => one.source.content_kind === 'seat_desktop').sort((a, b) => rank(a) - rank(b))
}

function sameRoom(places: readonly LivePlace[], near: LivePlace): LivePlace[] {
  return places.filter((one) => one.room.room_id === near.room.room_id && one.session?.session_id === near.session?.session_id)
}

export function find(places: readonly LivePlace[], sourceId: string): LivePlace | null {
  return places.find((one) => one.source.source_id === sourceId) ?? null
}

/** Where the picture goes next, if it goes any nearer: room, seat, desktop. */
export function nearer(places: readonly LivePlace[], from: LivePlace, level: Level): Level | null {
  if (level === 'wall') return 'room'
  if (level === 'room' && from.source.seat_id !== null) return 'seat'
  if (level === 'seat' && from.source.seat_id !== null && atSeat(places, from).length > 1) return 'one'
  return null
}

export type Level = 'wall' | 'room' | 'seat' | 'one'
