import { describe, expect, it } from 'vitest'
import type { LiveRoom, LiveSession, LiveSource, LiveSources } from '../src/api/client'
import { readFrame } from '../src/live/frame'
import { atSeat, desktopsBeside, find, firstChoice, inRoom, layoutFor, nearer, placesOf } from '../src/live/places'
import { Margin, wallAt } from '../src/live/steer'

function source(id: string, kind: string, seat: number | null = null): LiveSource {
  const more = seat === null ? { seat_id: null, seat_ordinal: null } : { seat_id: `seat-${seat}`, seat_ordinal: seat }
  return { source_id: id, room_id: 'R', content_kind: kind, label_zh: id, label_en: id, member: '', codec: 'h264', shortfall: null, ...more } as LiveSource
}

function room(id: string, ...sources: LiveSource[]): LiveRoom {
  return { room_id: id, name_zh: id, name_en: id, site_id: 'S', site_name_zh: 'S', site_name_en: 'S', sources }
}

function session(id: string, ...rooms: LiveRoom[]): LiveSession {
  return { session_id: id, project_id: id, project_code: id, project_name_zh: id, phase: 'evaluation', start_us: 0, rooms }
}

const SEATED = room('R', source('cam', 'room'), source('f1', 'seat_face', 1), source('d1', 'seat_desktop', 1), source('f2', 'seat_face', 2), source('d2', 'seat_desktop', 2))
const LISTED: LiveSources = { at_us: 0, sessions: [session('A', SEATED), session('B', room('Q', source('other', 'room')))], rooms: [room('Z', source('free', 'room'))] }

describe('what is shown where', () => {
  const places = placesOf(LISTED)
  const ids = (found: { source: LiveSource }[]): string[] => found.map((one) => one.source.source_id)

  it('gives every session and room its most telling picture before any gets a second one', () => {
    expect(ids(firstChoice(places)).slice(0, 4)).toEqual(['cam', 'other', 'free', 'f1'])
  })

  it('goes from the wall to the room, to the seat, to the desktop, and no further', () => {
    const cam = find(places, 'cam')!
    expect(nearer(places, cam, 'wall')).toBe('room')
    expect(ids(inRoom(places, cam))).toEqual(['cam', 'f1', 'f2'])
    const face = find(places, 'f2')!
    expect(nearer(places, face, 'room')).toBe('seat')
    expect(ids(atSeat(places, face))).toEqual(['f2', 'd2'])
    expect(nearer(places, find(places, 'd2')!, 'seat')).toBe('one')
    expect(nearer(places, find(places, 'd2')!, 'one')).toBeNull()
    expect(nearer(places, cam, 'room')).toBeNull()
  })

  it('offers the desktops of the own session only', () => {
    expect(ids(desktopsBeside(places, find(places, 'cam')!))).toEqual(['d1', 'd2'])
    expect(desktopsBeside(places, find(places, 'other')!)).toEqual([])
  })

  it('takes the smallest layout that holds all, and sixteen at most', () => {
    expect([0, 1, 2, 4, 5, 10, 40].map((count) => layoutFor(count))).toEqual([1, 1, 4, 4, 9, 16, 16])
    expect(layoutFor(40, 9)).toBe(9)
  })
})

describe('near to now', () => {
  it('plays faster with too much in hand, slower when about to run dry', () => {
    const margin = new Margin()
    margin.note(0, 0.2)
    expect(margin.rate).toBeGreaterThan(1)
    margin.note(100, 0.0)
    expect(margin.rate).toBeLessThan(1)
  })

  it('goes by the lowest point, not by what has just come', () => {
    const margin = new Margin()
    margin.note(0, 0.05)
    margin.note(50, 1.0)
    expect(margin.rate).toBe(1)
  })

  it('keeps more in hand after it ran dry, up to a bound', () => {
    const margin = new Margin()
    for (let i = 0; i < 100; i += 1) margin.ranDry(i * 1000)
    expect(margin.keptS).toBeLessThanOrEqual(0.6)
    expect(margin.keptS).toBeGreaterThan(0.5)
  })

  it('jumps only where it was too far behind for long enough', () => {
    const margin = new Margin()
    margin.note(0, 2)
    expect(margin.shouldJump).toBe(false)
    margin.note(700, 2)
    expect(margin.shouldJump).toBe(true)
    margin.forget()
    expect(margin.shouldJump).toBe(false)
  })

  it('tells the wall time of the picture, across a hole of the footage', () => {
    const pieces = [
      { startS: 0, endS: 1, wallUs: 1_000_000 },
      { startS: 1, endS: 2, wallUs: 9_000_000 },
    ]
    expect(wallAt(pieces, 0.5)).toBe(1_500_000)
    expect(wallAt(pieces, 1.25)).toBe(9_250_000)
    expect(wallAt([], 0.5)).toBeNull()
  })
})

describe('a frame', () => {
  it('is read as it was written, and a short one is none', () => {
    const buffer = new ArrayBuffer(26)
    const view = new DataView(buffer)
    view.setUint8(0, 2)
    view.setUint8(1, 3)
    view.setUint16(2, 7)
    view.setBigUint64(4, 1_795_380_900_593_769n)
    view.setBigInt64(12, -40_000n)
    view.setUint32(20, 80_000)
    expect(readFrame(buffer)).toMatchObject({ kind: 'fragment', key: true, sound: true, pane: 7, wallUs: 1_795_380_900_593_769, mediaUs: -40_000, lengthUs: 80_000 })
    expect(readFrame(buffer)!.data.byteLength).toBe(2)
    expect(readFrame(new ArrayBuffer(10))).toBeNull()
  })
})
