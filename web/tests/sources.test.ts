import { describe, expect, it } from 'vitest'
import type { SourceDetail, SourcesOverview, SourceStatus } from '@/api/client'
import { byPlace, faultOf, formatAge, formatBitRate, formatLength, formatOffset, fullName, gapSum, isMissing, lasting, stateKey, tone } from '@/pages/sources/figures'
import { codecName, DAY_US, dayOf, lanesOf } from '@/pages/sources/sourceChart'
import { formatDateTime, fromField, toField } from '@/format/beijing'
import { localeOf } from '@/i18n'
import { bySite, FEW, found, healthOf, isOpen, toAddress, toggled, viewFrom } from '@/pages/sources/filter'
import { codecIn } from '@/pages/sources/segmentCodec'
import { S } from './made'

function madeSource(extra: Partial<SourceStatus> = {}): SourceStatus {
  return {
    id: 'cam', room_id: 'r1', room_name_zh: '开标厅', room_name_en: 'Hall', seat_id: null, seat_ordinal: null,
    content_kind: 'room', label_zh: '全景', label_en: 'Panorama', state: 'recording', fault: null, detail: '', last_frame_us: 5,
    site_id: 's1', site_name_zh: '中心', site_name_en: 'Centre', configured: true, should_record: true, why_wanted: 'always',
    shortfall: null, since_us: 1, updated_us: 5, codec: 'h264', width: 1280, height: 720, bit_rate_kbps: 4000, frame_rate: 25,
    lost_packets: 0, clock_offset_us: 0, gaps_day: [], newest_segment: null,
    ...extra,
  }
}

describe('figures', () => {
  it.each([
    [0, '0 kbit/s'],
    [640.4, '640 kbit/s'],
    [4123, '4.12 Mbit/s'],
  ])('a bit rate of %d kbit/s is written %s', (kbps, text) => expect(formatBitRate(kbps)).toBe(text))

  it.each([
    [0, '+0 ms'],
    [-12_300, '-12 ms'],
    [1_500_000, '+1.5 s'],
    [-3_600_000_000, '-1:00:00'],
  ])('a clock offset of %d µs keeps its sign: %s', (us, text) => expect(formatOffset(us)).toBe(text))

  it('never shows a frame from the future as old', () => expect(formatAge(-3 * S)).toBe('0 s'))

  it.each([
    [0.34 * S, '0.3 s'],
    [42 * S, '42 s'],
    [376 * S, '6:16'],
  ])('a length of %d µs is not rounded to nothing: %s', (us, text) => expect(formatLength(us)).toBe(text))

  it('adds gaps up over causes and sources', () => {
    const source = madeSource({ gaps_day: [{ cause: 'network', count: 2, duration_us: 5 }, { cause: 'crash', count: 1, duration_us: 7 }] })
    expect(gapSum([source, source])).toEqual({ count: 6, durationUs: 24 })
  })

  it.each([
    [null, 'sources.rateUnknown'],
    [0.5, 'sources.hoursLeft'],
    [28.94, 'sources.daysLeft'],
    [4000, 'sources.overYear'],
  ])('a disk that lasts %s days says so', (days_left, key) => {
    expect(lasting({ state: 'ok', free_bytes: 1, size_bytes: 2, reserve_bytes: 0, days_left }).key).toBe(key)
  })
})

describe('what is to be alarmed about', () => {
  it.each([
    [{}, false, 'good', 'sources.recording'],
    [{ shortfall: 'lost' }, true, 'bad', 'sources.shortfall.lost'],
    [{ shortfall: 'silent' }, true, 'bad', 'sources.shortfall.silent'],
    [{ shortfall: 'connecting' }, true, 'wait', 'sources.shortfall.connecting'],
    [{ shortfall: 'stopped', should_record: false }, false, 'idle', 'sources.notWanted'],
    [{ shortfall: 'lost', should_record: false, configured: false }, false, 'idle', 'sources.notConfigured'],
  ] as const)('%j', (extra, missing, kind, key) => {
    const source = madeSource(extra)
    expect([isMissing(source), tone(source), stateKey(source)]).toEqual([missing, kind, key])
  })
})

describe('what is the matter with a source', () => {
  it.each([
    [{ shortfall: 'refused', fault: 'credentials' }, 'credentials'],
    [{ shortfall: 'refused', fault: 'no_such_path' }, 'no_such_path'],
    [{ shortfall: 'lost', fault: null }, null],
    [{ shortfall: 'silent', fault: 'network' }, null],
    [{ shortfall: null, fault: null }, null],
  ] as const)('%j is told as %s: what a dead recorder said last explains nothing', (extra, fault) => {
    expect(faultOf(madeSource(extra))).toBe(fault)
  })
})

describe("a browser's language", () => {
  it.each([
    [['en-US', 'zh-CN'], 'en'],
    [['zh-TW', 'en'], 'zh-CN'],
    [['de-DE', 'en-GB'], 'en'],
    [['de-DE'], 'zh-CN'],
    [[], 'zh-CN'],
  ] as const)('%j is answered in %s', (languages, locale) => expect(localeOf(languages)).toBe(locale))
})

describe('moments that people enter', () => {
  it('are Beijing time wherever the browser is', () => {
    expect(fromField('2026-03-02T11:00')).toBe(1_772_420_400 * S)
    expect(toField(1_772_420_400 * S)).toBe('2026-03-02T11:00:00')
    expect(fromField(toField(1_772_420_407 * S))).toBe(1_772_420_407 * S)
  })

  it.each(['', '2026-03-02', 'yesterday', '2026-13-02T11:00'])('"%s" is none', (text) => expect(fromField(text)).toBeNull())
})

describe('the codec of a file', () => {
  const head = (entry: string) => new TextEncoder().encode(`....stsd\0\0\0\0\0\0\0\x01\0\0\0\x10${entry}....`)

  it.each([
    ['avc1', 'h264'],
    ['hvc1', 'h265'],
    ['jpeg', 'mjpeg'],
    ['mp4v', null],
  ])('with the sample entry %s is %s', (entry, codec) => expect(codecIn(head(entry))).toBe(codec))

  it('is not known of what is no recording', () => expect(codecIn(new TextEncoder().encode('<html>'))).toBeNull())
})

describe('places', () => {
  it('hold every source once, by room and seat', () => {
    const sources = [
      madeSource({ id: 'b', room_id: 'r2', seat_ordinal: 2 }),
      madeSource({ id: 'a', room_id: 'r1' }),
      madeSource({ id: 'c', room_id: 'r2', seat_ordinal: 1 }),
    ]
    const places = byPlace({ sources } as SourcesOverview)
    expect(places.map((place) => place.sources.map((one) => one.id))).toEqual([['a'], ['c', 'b']])
  })
})

describe('the name of a source', () => {
  it.each([
    ['全景', '开标厅 · 全景'],
    ['开标厅全景1', '开标厅全景1'],
  ])('%s is told with its room, once: %s', (label_zh, text) => expect(fullName(madeSource({ label_zh }))).toBe(text))
})

describe('the page of many sources', () => {
  const view = { text: '', faulty: false, open: [], shut: [], room: '' }
  const sources = [
    madeSource({ id: 'ZT-ER1-03-F', room_id: 'ER1', room_name_zh: '市级第1评标室', label_zh: '03席人像', seat_id: 'ZT-ER1-03', seat_ordinal: 3, content_kind: 'seat_face' }),
    madeSource({ id: 'ZT-OH1-P1', room_id: 'OH1', room_name_zh: '市级第1开标厅', label_zh: '全景1', shortfall: 'lost' }),
    madeSource({ id: 'ZT-OH1-P2', room_id: 'OH1', room_name_zh: '市级第1开标厅', label_zh: '全景2', shortfall: 'stopped', should_record: false }),
    madeSource({ id: 'YL-OH1-P1', site_id: 's2', site_name_zh: '彝良县中心', room_id: 'YL-OH1', room_name_zh: '彝良县开标厅' }),
  ]
  const places = byPlace({ sources } as SourcesOverview)
  const ids = (more: Partial<typeof view>): string[] => found(places, { ...view, ...more }).flatMap((place) => place.sources.map((one) => one.id))

  it.each([
    ['', 4],
    ['开标厅', 3],
    ['zt-oh1', 2],
    ['3号席', 1],
    ['３ 号席 评标室', 1],
    ['专家音视频', 1],
    ['彝良 全景', 1],
    ['彝良 评标室', 0],
  ])('"%s" finds %i: by name, id, room, site, seat or content, every word', (text, count) => expect(ids({ text })).toHaveLength(count))

  it('can show the faulty ones only: what nobody wants now is none', () => expect(ids({ faulty: true })).toEqual(['ZT-OH1-P1']))

  it('counts what is healthy, faulty and not wanted', () => expect(healthOf(sources)).toEqual({ good: 2, bad: 1, idle: 1 }))

  it('has rooms by site, each once', () => {
    expect(bySite(places).map((site) => [site.id, site.places.length])).toEqual([['s1', 2], ['s2', 1]])
  })

  it('has its rooms shut where there are many sources, and keeps what somebody opened', () => {
    expect([isOpen(view, 'OH1', FEW), isOpen(view, 'OH1', FEW + 1)]).toEqual([true, false])
    const opened = toggled(view, 'OH1', FEW + 1)
    expect([isOpen(opened, 'OH1', FEW + 1), isOpen(opened, 'ER1', FEW + 1)]).toEqual([true, false])
    expect(toggled(opened, 'OH1', FEW + 1)).toEqual(view)
    const shut = toggled(view, 'OH1', 4)
    expect([isOpen(shut, 'OH1', 4), toggled(shut, 'OH1', 4)]).toEqual([false, view])
  })

  it('is kept in the address, and survives nonsense there', () => {
    const address = { q: '评标室 3', faulty: '1', open: 'OH1,ER1' }
    expect(toAddress(viewFrom(address))).toEqual(address)
    expect(viewFrom({ faulty: 'yes', open: [',', 'a'] })).toEqual(view)
  })
})

describe('the time of a source', () => {
  const detail: SourceDetail = {
    at_us: 100, start_us: 0, end_us: 100, source: madeSource(), runs: [], segments: [],
    stretches: [
      { start_us: 0, end_us: 40, origin: 'live' },
      { start_us: 40, end_us: 60, origin: 'backfill' },
    ],
    gaps: [
      { id: 'g', start_us: 40, end_us: 60, cause: 'network', fault: 'network', detail: '', backfill: 'whole' },
      { id: 'h', start_us: 90, end_us: null, cause: 'camera_lost', fault: null, detail: '', backfill: 'none' },
    ],
  }

  it('shows a gap that was filled afterwards as a gap, and what filled it beside it', () => {
    const lanes = lanesOf(detail)
    expect(lanes.map((lane) => [lane.id, lane.recorded])).toEqual([
      ['live', [{ startUs: 0, endUs: 40 }]],
      ['backfill', [{ startUs: 40, endUs: 60 }]],
    ])
    expect(lanes[0]!.gaps.map((gap) => [gap.startUs, gap.endUs])).toEqual([[40, 60], [90, 100]])
    expect(lanes[0]!.gaps[0]!.text).toBe('网络中断 · 已全部补录')
    expect(lanes[1]!.gaps).toEqual([])
    expect(lanes.map((lane) => lane.backfilled)).toEqual([[], [{ startUs: 40, endUs: 60, text: '事后补录' }]])
  })

  it('has days that begin at midnight in Beijing', () => {
    const day = dayOf(1_772_420_400 * S)
    expect([formatDateTime(day.start_us), formatDateTime(day.end_us)]).toEqual(['2026-03-02 00:00:00', '2026-03-03 00:00:00'])
    expect(dayOf(day.start_us)).toEqual(day)
    expect(dayOf(day.end_us).start_us - day.start_us).toBe(DAY_US)
  })

  it('names codecs as people do', () => {
    expect(['h264', 'h265', ''].map(codecName)).toEqual(['H.264', 'H.265', '—'])
  })
})
