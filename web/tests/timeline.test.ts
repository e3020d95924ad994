import { describe, expect, it } from 'vitest'
import { ApiError, type EventKind, type ProjectTimeline, type Seating, type TimelineEntry, type TimelineSession } from '@/api/client'
import { fromField, toField } from '@/format/beijing'
import { axisOf, daysOf, momentAt, panned, placeOf, scaleOf, showing, ticksOf, without, zoomed } from '@/pages/timeline/axis'
import { chainsOf, inForce } from '@/pages/timeline/chains'
import { draftOf, farFrom, missing, momentOf, refusalOf, toEvent, unchanged } from '@/pages/timeline/entry'
import { placeLabels, textWidth } from '@/pages/timeline/labels'
import { busyOf, groupsOf, inOrder, pickables, type Bar } from '@/pages/timeline/rows'
import { doubtsOf, seatDraftOf, seated, seatGroups, seatWanting, toSeating, type SeatDraft } from '@/pages/timeline/seating'
import { chineseNumber, whoSaid } from '@/pages/timeline/words'

const MINUTE = 60_000_000
const HOUR = 60 * MINUTE
/** 2 March 2026, 00:00 in Beijing. */
const DAY = Date.UTC(2026, 2, 1, 16) * 1000

function at(hours: number, minutes = 0): number {
  return DAY + hours * HOUR + minutes * MINUTE
}

function span(startUs: number, endUs: number): { startUs: number; endUs: number } {
  return { startUs, endUs }
}

const PERSON = { kind: 'person', name: 'w-1' } as const

function event(id: string, atUs: number, more: Partial<TimelineEntry> = {}): TimelineEntry {
  return {
    id, at_us: atUs, type: 'eval.pause', effect: 'pause', reason: '', principal: 'etrade', reporter: PERSON, recorded_us: atUs,
    details: {}, replaces: null, replaced_by: null, withdrawn: false, ...more,
  }
}

function session(id: string, more: Partial<TimelineSession> = {}): TimelineSession {
  return {
    id, phase: 'evaluation', state: 'cut', room_id: 'R', room_name_zh: '评标室', room_name_en: 'Room', site_name_zh: '中心',
    site_name_en: 'Centre', venue_role: 'main', start_us: at(9), end_us: at(12), pauses: [], nights: [], sections: [], seats: [],
    seatings: [], places: [], events: [], clips: [], ...more,
  }
}

type Clip = TimelineSession['clips'][number]

function clip(sourceId: string, startUs: number, endUs: number, more: Partial<Clip> = {}): Clip {
  return {
    id: `${sourceId}-1`, source_id: sourceId, label_zh: sourceId, label_en: sourceId, content_kind: 'room', seat_id: null, part: 1,
    revision: 1, start_us: startUs, end_us: endUs, gaps: [], ...more,
  }
}

function project(sessions: TimelineSession[], more: Partial<ProjectTimeline> = {}): ProjectTimeline {
  return { project: { id: 'P', name_zh: '', name_en: '' }, now_us: at(18), sections: [], bookings: [], sessions, tags: [], halls: [], shown: [], ...more }
}

function bars(timeline: ProjectTimeline, look: Bar['look'], unfolded: string[] = []): Bar[] {
  return groupsOf(timeline, timeline.now_us, new Set(unfolded)).flatMap((group) => group.rows.flatMap((row) => row.bars)).filter((bar) => bar.look === look)
}

describe('the axis', () => {
  const day = axisOf([span(at(9), at(12)), span(at(33), at(36))], true)!

  it('folds the night between two days and keeps both days to scale', () => {
    expect(day.pieces.map((piece) => piece.folded)).toEqual([false, true, false])
    const scale = scaleOf(day, null, 1000)
    const hour = scale.x(at(10)) - scale.x(at(9))
    expect(scale.x(at(35)) - scale.x(at(34))).toBeCloseTo(hour)
    expect(scale.x(at(33)) - scale.x(at(12))).toBeLessThan(hour)
  })

  it('draws all time to scale when nothing is to be folded', () => {
    const plain = axisOf([span(at(9), at(12)), span(at(33), at(36))], false)!
    expect(plain.pieces).toHaveLength(1)
    expect(placeOf(plain, at(24)) - placeOf(plain, at(23))).toBeCloseTo(HOUR)
  })

  it('does not fold a short break', () => {
    expect(axisOf([span(at(9), at(10)), span(at(10, 30), at(11))], true)!.pieces).toHaveLength(1)
  })

  it('does not exist where nothing happens', () => {
    expect(axisOf([], true)).toBeNull()
  })

  it('finds the moment of every place again, within folds too', () => {
    for (const us of [at(9), at(11, 59), at(20), at(33, 1), at(36)]) expect(momentAt(day, placeOf(day, us))).toBeCloseTo(us, -1)
  })

  it('keeps the moment under the pointer where it is while somebody zooms', () => {
    const before = scaleOf(day, null, 900)
    const view = zoomed(day, null, 3, at(34))
    expect(scaleOf(day, view, 900).x(at(34))).toBeCloseTo(before.x(at(34)), 3)
    expect(zoomed(day, view, 1 / 3, at(34))).toBeNull()
  })

  it('never leaves its own ends, and never goes nearer than some seconds', () => {
    let view = zoomed(day, null, 4, at(9))
    for (let i = 0; i < 50; i++) view = panned(day, view, -1)
    expect(view!.startUs).toBeCloseTo(day.pieces[0]!.startUs, -1)
    for (let i = 0; i < 50; i++) view = zoomed(day, view, 4, at(10))
    expect(view!.endUs - view!.startUs).toBeGreaterThan(9_000_000)
  })

  it('brings what was chosen into sight, and stays where it is in sight already', () => {
    const view = zoomed(day, null, 8, at(9))
    const moved = showing(day, view, span(at(35), at(35)))!
    expect(moved.startUs).toBeLessThan(at(35))
    expect(moved.endUs).toBeGreaterThan(at(35))
    expect(showing(day, moved, span(at(35), at(35)))).toBe(moved)
    expect(showing(day, null, span(at(35), at(35)))).toBeNull()
  })

  it('has no round moments in what is folded, and labels that leave each other room', () => {
    const ticks = ticksOf(day, scaleOf(day, null, 1000))
    expect(ticks.length).toBeGreaterThan(4)
    expect(ticks.every((tick) => day.pieces.some((piece) => !piece.folded && piece.startUs <= tick.us && tick.us <= piece.endUs))).toBe(true)
    ticks.slice(1).forEach((tick, i) => expect(tick.x - ticks[i]!.x).toBeGreaterThanOrEqual(58))
  })

  it('names the Beijing days, not those of UTC', () => {
    expect(daysOf(axisOf([span(at(7), at(8, 30))], true)!).map((one) => one.date)).toEqual(['2026-03-02'])
    expect(daysOf(axisOf([span(at(22), at(26))], true)!).map((one) => one.date)).toEqual(['2026-03-02', '2026-03-03'])
  })

  it('takes nights out of what lasts', () => {
    expect(without([span(0, 10), span(20, 30)], [span(5, 22)])).toEqual([span(0, 5), span(22, 30)])
  })
})

describe('labels', () => {
  it('never lie on each other', () => {
    const items = [0, 5, 20, 60, 300].map((x) => ({ x, width: 80 }))
    const placed = placeLabels(items, 3, 1000)
    items.forEach((a, i) => items.slice(i + 1).forEach((b, j) => {
      const [left, right] = [placed[i]!, placed[i + 1 + j]!]
      if (left.level !== null && left.level === right.level) expect(a.x + a.width).toBeLessThan(b.x)
    }))
    expect(placed.map((one) => one.level)).toEqual([0, 1, 2, null, 0])
  })

  it('turn to the left at the right edge, and are not written beyond it', () => {
    expect(placeLabels([{ x: 980, width: 80 }, { x: 1200, width: 10 }], 2, 1000)).toEqual([{ level: 0, left: true }, { level: null, left: false }])
  })

  it('count a Chinese letter as wide as high', () => {
    expect(textWidth('评标', 12)).toBe(24)
  })
})

describe('corrections', () => {
  const old = event('a', at(10), { replaced_by: 'b' })
  const newer = event('b', at(10, 5), { replaces: 'a', replaced_by: 'c' })
  const newest = event('c', at(9, 55), { replaces: 'b' })

  it('stand for what they replace, the newest first', () => {
    const [chain] = chainsOf([old, newer, newest])
    expect(chain!.head.id).toBe('c')
    expect(chain!.past.map((one) => one.id)).toEqual(['b', 'a'])
    expect(inForce([old, newer, newest]).map((one) => one.id)).toEqual(['c'])
  })

  it('that take something back show what was taken back', () => {
    const gone = event('w', at(10), { replaces: 'a', withdrawn: true })
    const [chain] = chainsOf([event('a', at(10), { replaced_by: 'w' }), gone])
    expect([chain!.withdrawn, chain!.shown.id]).toEqual([true, 'a'])
    expect(inForce([event('a', at(10), { replaced_by: 'w' }), gone])).toEqual([])
  })

  it('are drawn with the old moment beside the new one', () => {
    const timeline = project([session('S', { events: [old, newer, newest] })])
    const row = groupsOf(timeline, 0, new Set())[0]!.rows.find((one) => one.kind === 'events')!
    expect(row.points.map((point) => [point.pick, point.old])).toEqual([['event:c', false], ['event:a', true], ['event:b', true]])
  })
})

describe('what somebody enters', () => {
  const kinds: EventKind[] = [
    { type: 'eval.pause', effect: 'pause', zh: '暂停', en: 'Pause' },
    { type: 'eval.section_switch', effect: 'section', zh: '切换标段', en: 'Next section' },
  ]
  const pause = event('a', at(10) + 123_456, { details: { seat: 'S1' } })
  const draft = { ...draftOf('correct', session('S'), pause, 0, 'w-1'), reason: ' 时钟慢 ' }

  it('is Beijing time, wherever the browser is', () => {
    expect(toField(at(10))).toBe('2026-03-02T10:00:00')
    expect(fromField('2026-03-02T10:00:05')).toBe(at(10) + 5_000_000)
    expect(fromField('2026-03-02T10:00')).toBe(at(10))
    expect(fromField('')).toBeNull()
  })

  it('keeps the fraction of a second of a time that was not touched', () => {
    expect(momentOf(draft)).toBe(pause.at_us)
    expect(momentOf({ ...draft, time: '2026-03-02T10:00:01' })).toBe(at(10) + 1_000_000)
  })

  it('needs kind, time, section, reason and name', () => {
    expect(missing(draft, kinds)).toBeNull()
    expect(missing({ ...draft, type: '' }, kinds)).toBe('type')
    expect(missing({ ...draft, time: '' }, kinds)).toBe('time')
    expect(missing({ ...draft, reason: '  ' }, kinds)).toBe('reason')
    expect(missing({ ...draft, name: '' }, kinds)).toBe('name')
    expect(missing({ ...draft, type: 'eval.section_switch' }, kinds)).toBe('section')
  })

  it('carries on the details that the page does not show', () => {
    expect(toEvent({ ...draft, type: 'eval.section_switch', section: 2 }, kinds)).toMatchObject({
      replaces: 'a', reason: '时钟慢', details: { seat: 'S1', section: 2 }, withdrawn: false,
    })
  })

  it('is a withdrawal of what stands there, at its own time', () => {
    expect(toEvent({ ...draft, mode: 'withdraw' }, kinds)).toMatchObject({ at_us: pause.at_us, type: 'eval.pause', withdrawn: true, replaces: 'a' })
  })

  it('is not sent where nothing changes', () => {
    expect(unchanged(draft)).toBe(true)
    expect(unchanged({ ...draft, time: '2026-03-02T10:00:01' })).toBe(false)
  })

  it('is questioned where the date looks like a slip', () => {
    const timeline = project([session('S')])
    expect(farFrom(draft, timeline)).toBeNull()
    expect(farFrom({ ...draft, time: '2026-03-12T10:00:00' }, timeline)?.what).toBe('theOriginal')
    const added = draftOf('add', session('S'), null, at(100), 'w-1')
    expect(farFrom(added, timeline)?.what).toBe('theSession')
  })

  it.each([
    [new ApiError(409, 'x', 'ends_before_start'), 'timeline.refusals.ends_before_start'],
    [new ApiError(409, 'x', 'something_new'), 'timeline.refusals.other'],
    [new ApiError(422, ''), 'timeline.refusals.invalid'],
    [new ApiError(0, ''), 'timeline.refusals.network'],
  ])('is refused in words of its own: %s', (error, key) => {
    expect(refusalOf(error)).toBe(key)
  })
})

describe('the rows of a project', () => {
  it('show two members on one seat, one after the other', () => {
    const seats = [
      { seat_id: 'A', seat_ordinal: 3, seating_id: 's2', member: 'E5', start_us: at(11), end_us: at(12) },
      { seat_id: 'A', seat_ordinal: 3, seating_id: 's1', member: 'E2', start_us: at(9), end_us: at(10) },
    ]
    const found = bars(project([session('S', { seats })]), 'member')
    expect(found.map((bar) => [bar.text, bar.second, bar.pick])).toEqual([['E2', false, 'seat:s1'], ['E5', true, 'seat:s2']])
  })

  it('show sources with gaps always, and all others when asked to', () => {
    const gap = { start_us: at(10), end_us: at(10, 6), cause: 'camera_lost' as const, detail: '', backfilled: false }
    const timeline = project([session('S', { clips: [clip('c1', at(9), at(12), { gaps: [gap] }), clip('c2', at(9), at(12))] })])
    expect(bars(timeline, 'expected')).toHaveLength(1)
    expect(bars(timeline, 'expected', ['S'])).toHaveLength(2)
    expect(bars(timeline, 'gap')[0]!.tip[0]).toContain('摄像机断开')
  })

  it('name a source without the room that stands above it', () => {
    const gap = { start_us: at(10), end_us: at(10, 6), cause: 'camera_lost' as const, detail: '', backfilled: false }
    const held = session('S', { clips: [clip('评标室03席人像', at(9), at(12), { gaps: [gap] }), clip('评标室', at(9), at(12), { gaps: [gap] })] })
    const labels = groupsOf(project([held]), 0, new Set())[0]!.rows.filter((one) => one.kind === 'source').map((one) => one.label)
    expect(labels).toEqual(['03席人像', '评标室'])
  })

  it('show what was filled afterwards otherwise than what is missing', () => {
    const gap = { start_us: at(10), end_us: at(10, 6), cause: 'network' as const, detail: '', backfilled: true }
    const timeline = project([session('S', { clips: [clip('c1', at(9), at(12), { gaps: [gap] })] })])
    expect(bars(timeline, 'gap')).toEqual([])
    expect(bars(timeline, 'backfilled')).toHaveLength(1)
  })

  it('show what may still come neither as missing nor as filled', () => {
    const gap = { start_us: at(10), end_us: at(10, 6), cause: 'pending' as const, detail: '', backfilled: false }
    const timeline = project([session('S', { clips: [clip('c1', at(9), at(12), { gaps: [gap] })] })])
    expect(bars(timeline, 'gap')).toEqual([])
    expect(bars(timeline, 'pending')[0]!.tip[0]).toBe('c1 · 尚未入库')
  })

  it('show pre-roll and post-roll beside the session, not as part of it', () => {
    const timeline = project([session('S', { clips: [clip('c1', at(8, 55), at(12, 5))] })])
    expect(bars(timeline, 'roll').map((bar) => [bar.startUs, bar.endUs])).toEqual([[at(8, 55), at(9)], [at(12), at(12, 5)]])
    expect(bars(timeline, 'session').map((bar) => [bar.startUs, bar.endUs])).toEqual([[at(9), at(12)]])
  })

  it('let the bar of a running session reach to now, open', () => {
    const timeline = project([session('S', { state: 'running', end_us: null })])
    expect(bars(timeline, 'session')).toMatchObject([{ endUs: at(18), open: true }])
  })

  it('pair a fault with its own end, and let one without an end last', () => {
    const events = [
      event('1', at(9, 10), { effect: 'fault_start', details: { camera: 'a' } }),
      event('2', at(9, 20), { effect: 'fault_start', details: { camera: 'b' } }),
      event('3', at(9, 30), { effect: 'fault_end', details: { camera: 'b' } }),
    ]
    const found = bars(project([session('S', { events })]), 'fault')
    expect(found.map((bar) => [bar.startUs, bar.endUs])).toEqual([[at(9, 20), at(9, 30)], [at(9, 10), at(12)]])
  })

  it('strike through bookings that were moved or released', () => {
    const booking = { id: 'b', room_id: 'R', room_name_zh: '', room_name_en: '', start_us: at(9), end_us: at(10) }
    const timeline = project([], { bookings: [{ ...booking, status: 'moved' }, { ...booking, id: 'c', status: 'confirmed' }] })
    expect(bars(timeline, 'booking-void')).toHaveLength(1)
    expect(bars(timeline, 'booking')).toHaveLength(1)
  })

  it('keep tags of no session in sight', () => {
    const tag = { id: 't', at_us: at(10), kind: 'irregular', severity: 'major', text: '', principal: 'w', reporter: PERSON, recorded_us: at(10), session_id: null, source_id: null, source_label_zh: '', source_label_en: '', seat_id: null, seat_ordinal: null, section_number: null, replaces: null, replaced_by: null, withdrawn: false, reason: '', hold_act_id: null }
    const [common] = groupsOf(project([session('S')], { tags: [tag] }), 0, new Set())
    expect(common!.rows[0]!.points).toMatchObject([{ pick: 'tag:t', mark: 'flag-major' }])
  })

  it('are by phase and venue: the main venue before those that started earlier', () => {
    const sessions = [
      session('x1', { phase: 'extraction', start_us: at(7) }),
      session('e2', { venue_role: 'secondary', start_us: at(9) }),
      session('e1', { start_us: at(9, 5) }),
      session('x2', { phase: 'extraction', start_us: at(11) }),
      session('r', { phase: 're_evaluation', start_us: null }),
    ]
    expect(inOrder(sessions).map((one) => one.id)).toEqual(['x1', 'x2', 'e1', 'e2', 'r'])
  })

  it('need a night to be drawn at its edges only', () => {
    const night = { start_us: at(20), end_us: at(32) }
    const timeline = project([session('S', { start_us: at(14), end_us: at(36), nights: [night] })])
    expect(axisOf(busyOf(timeline, 0), true)!.pieces.map((piece) => piece.folded)).toEqual([false, true, false])
  })
})

describe('who sat where', () => {
  function seating(id: string, more: Partial<Seating> = {}): Seating {
    return {
      id, seat_id: 'A', seat_ordinal: 1, member: 'E2', from_us: null, to_us: null, never: false, reason: '', principal: 'w', reporter: PERSON,
      recorded_us: at(8), replaced_us: null, ...more,
    }
  }
  const e2 = seating('1', { to_us: at(10) + 123_456 })
  const e5 = seating('2', { member: 'E5', from_us: at(10, 30) })
  const before = seating('0', { replaced_us: at(10) })
  const held = session('S', { seatings: [before, e2, e5, seating('3', { member: 'E9', from_us: at(9), to_us: at(9), never: true })] })
  const draft = { ...seatDraftOf('correct', held, e2, 'w-1'), reason: ' 记录有误 ' }

  it('stands seat by seat, what was said before beneath what holds', () => {
    const [group] = seatGroups(held)
    expect(group!.now.map((one) => one.id)).toEqual(['1', '2'])
    expect(group!.past.map((one) => one.id).sort()).toEqual(['0', '3'])
    expect(seated(held).map((one) => one.member)).toEqual(['E2', 'E5'])
  })

  it('keeps a time that was not touched to the microsecond, and takes an empty one as the edge of the session', () => {
    expect(toSeating({ ...draft, seatId: 'B' })).toMatchObject({ seat_id: 'B', from_us: null, to_us: at(10) + 123_456, replaces: '1', reason: '记录有误', withdrawn: false })
  })

  it.each([
    [{}, 'unchanged'],
    [{ seatId: '' }, 'seat'],
    [{ member: '张三' }, 'member'],
    [{ from: '2026-03-02T11:00:00' }, 'order'],
    [{ member: 'e3', reason: ' ' }, 'reason'],
    [{ member: 'e3', name: '' }, 'name'],
    [{ member: 'e3' }, null],
    [{ mode: 'withdraw' }, null],
  ] as const)('%j wants %s', (more, wanting) => expect(seatWanting({ ...draft, ...more })).toBe(wanting))

  it('is questioned where a seat has two members, a member two seats, or the day is wrong, and never kept from being sent', () => {
    const timeline = project([held])
    const doubts = (more: Partial<SeatDraft>): string[] => doubtsOf({ ...draft, ...more }, timeline).map((one) => one.what)
    expect(doubts({})).toEqual([])
    expect(doubts({ to: '2026-03-02T10:45:00' })).toEqual(['taken'])
    expect(doubts({ seatId: 'B', member: 'E5', to: '' })).toEqual(['elsewhere'])
    expect(doubts({ from: '2026-03-01T09:30:00' })).toEqual(['outside'])
    expect(seatWanting({ ...draft, to: '2026-03-02T10:45:00' })).toBeNull()
  })

  it('is told by a trading system under its name, by a person, or by a file', () => {
    expect(whoSaid({ kind: 'trading_system', name: '电子交易系统' })).toBe('交易系统“电子交易系统”')
    expect(whoSaid({ kind: 'file', name: 'w-1' })).toContain('导入文件')
    expect(whoSaid(PERSON)).toBe('w-1（人工）')
  })

  it('can be chosen on the axis, from the start of the session where nobody said since when', () => {
    expect(pickables(project([held])).get('seat:1')).toMatchObject({ startUs: at(9), endUs: at(10) + 123_456, sessionId: 'S' })
  })
})

describe('Chinese numbers', () => {
  it.each([[1, '一'], [10, '十'], [12, '十二'], [20, '二十'], [99, '九十九'], [100, '100'], [0, '0']])('%i is %s', (n, text) => {
    expect(chineseNumber(n)).toBe(text)
  })
})
