import { describe, expect, it } from 'vitest'
import type { Matched, Region } from '@/api/client'
import { hintsOf, shownCodes, withoutHint } from '@/pages/search/codes'
import { cleared, faultsOf, filtersFrom, relaxed, toAddress, toQuery, used, without } from '@/pages/search/filters'
import { marked, wordsOf } from '@/pages/search/marks'
import { dayFrom, isDay, shifted, weeksOf, wholeMonth } from '@/pages/search/month'
import { countText, reasonsOf } from '@/pages/search/names'

const REGIONS: Region[] = [
  { code: '53', name_zh: '云南省', name_en: 'Yunnan', level: '', parent_code: null, today: null },
  { code: '530681', name_zh: '水富市', name_en: 'Shuifu', level: '', parent_code: '53', today: null },
  { code: '530630', name_zh: '水富县', name_en: 'Shuifu county', level: '', parent_code: '530681', today: '530681' },
]
const INDUSTRIES = [{ code: 'A03', name_zh: '公路', name_en: 'Roads', parent_code: null }]
const one = { value: 1, more: false }
const told = (text: string, words: string[]): string => marked(text, words).map((piece) => (piece.found ? `[${piece.text}]` : piece.text)).join('')

describe('a search in the address', () => {
  it('survives a round trip', () => {
    const address = {
      text: '桥 A01', region: ['530681', '53'], region_of: 'trade_place', industry: ['A03'], phase: ['opening'], content_kind: ['room'],
      date_from: '2026-03-01', date_to: '2026-03-31', gap_seconds: '60', held: 'true', view: 'clips', open: ['P03'], month: '2026-02',
    }
    expect(toAddress(filtersFrom(address))).toEqual(address)
  })

  it('is empty where nothing is asked for', () => {
    expect(toAddress(filtersFrom({}))).toEqual({})
    expect(toQuery(filtersFrom({ region_of: 'region', view: 'clips', month: '2026-02', open: 'P03' }))).toEqual({})
  })

  it('is what the server keeps of a saved one', () => {
    const saved = { text: '桥', region: ['53'], gap_seconds: 60, held: false, section_number: 2 }
    expect(toQuery(filtersFrom(saved))).toEqual(saved)
  })

  it('loses words that no filter has', () => {
    expect(filtersFrom({ phase: ['opening', 'nonsense'], held: 'perhaps', month: '2026-13', region_of: 'x' })).toMatchObject({
      phase: ['opening'], held: '', month: '', region_of: 'either',
    })
  })

  it('can lose each of its filters, or one value', () => {
    const filters = filtersFrom({ text: '桥', region: ['53', '530681'], date_to: '2026-03-31', held: 'true', view: 'clips' })
    expect(used(filters)).toEqual(['text', 'region', 'days', 'held'])
    expect(without(filters, 'region', '53').region).toEqual(['530681'])
    for (const name of used(filters)) expect(used(without(filters, name))).not.toContain(name)
    expect([used(cleared(filters)), cleared(filters).view]).toEqual([[], 'clips'])
  })
})

describe('a search that found nothing', () => {
  it('is asked for a little less: without a word, without a filter, but not for everything', () => {
    const left = (address: object): string[] => relaxed(filtersFrom({ ...address })).map((one) => JSON.stringify(toAddress(one.filters)))
    expect(left({ text: '旧 桥', region: ['53', '530681'] })).toEqual([
      '{"text":"桥","region":["53","530681"]}', '{"text":"旧","region":["53","530681"]}', '{"region":["53","530681"]}', '{"text":"旧 桥"}',
    ])
    expect(left({ text: '桥' })).toEqual([])
  })
})

describe('what cannot be searched for', () => {
  const faults = (address: Record<string, unknown>): object => faultsOf(filtersFrom(address), REGIONS, INDUSTRIES)

  it.each([
    [{ date_from: '2026-03-31', date_to: '2026-03-01' }, { days: { code: 'reversed', value: '' } }],
    [{ date_from: '2026-02-30' }, { days: { code: 'day', value: '2026-02-30' } }],
    [{ region: ['53', '999999'] }, { region: { code: 'unknown', value: '999999' } }],
    [{ industry: 'Z' }, { industry: { code: 'unknown', value: 'Z' } }],
    [{ gap_seconds: '-1' }, { gap_seconds: { code: 'number', value: '' } }],
    [{ section_number: '1.5' }, { section_number: { code: 'number', value: '' } }],
    [{ text: 'a b c d e f g h i', name: 'j k l m n o p q' }, { text: { code: 'words', value: '' } }],
  ])('%j is told at its field', (address, fault) => expect(faults(address)).toEqual(fault))

  it.each([{}, { region: '530630' }, { gap_seconds: '0.5' }, { section_number: '2' }, { date_from: '2026-03-01', date_to: '2026-03-01' }])(
    '%j can', (address) => expect(faults(address)).toEqual({}),
  )

  it('is not told of code tables that have not come', () => {
    expect(faultsOf(filtersFrom({ region: '999999', industry: 'Z' }), [], [])).toEqual({})
  })
})

describe('found words', () => {
  it.each([
    ['水富县旧桥(A01标段)', ['a01标段', '桥'], '水富县旧[桥]([A01标段])'],
    ['Ａ０１标段', ['a01'], '[Ａ０１]标段'],
    ['评标评标', ['评标'], '[评标评标]'],
    ['㎞碑', ['m碑'], '[㎞碑]'],
    ['aaa', ['aa'], '[aaa]'],
    ['nothing', ['x'], 'nothing'],
    ['anything', [''], 'anything'],
    ['𠀀桥', ['桥'], '𠀀[桥]'],
  ])('%s', (text, words, expected) => expect(told(text, words)).toBe(expected))

  it('are parted by any blanks, each once', () => {
    expect(wordsOf(' 桥　Ａ01\t桥 ')).toEqual(['桥', 'a01'])
  })
})

describe('code tables beside a search', () => {
  it('show what would find something with all above it, and what is chosen', () => {
    const facets = [{ value: '530681', count: one }]
    expect([...shownCodes(REGIONS, facets, [], '')].sort()).toEqual(['53', '530681'])
    expect([...shownCodes(REGIONS, [], ['530630', '999999'], '')].sort()).toEqual(['53', '530630', '530681'])
    expect([...shownCodes(REGIONS, [], [], '水富县')].sort()).toEqual(['53', '530630', '530681'])
    expect(shownCodes(REGIONS, null, [], '').size).toBe(3)
  })

  it('know a region or an industry that was written as a word, with its former codes', () => {
    const hints = hintsOf('530681 公路', REGIONS, INDUSTRIES)
    expect(hints.map(({ filter, code, former }) => [filter, code, former])).toEqual([['region', '530681', ['530630']], ['industry', 'A03', []]])
    expect(withoutHint('530681 公路', hints[0]!)).toBe('公路')
    expect(hintsOf('水富', REGIONS, INDUSTRIES)).toEqual([])
  })
})

describe('the calendar', () => {
  it('begins weeks on Monday and has every day once', () => {
    const weeks = weeksOf('2026-03')
    expect(weeks[0]).toEqual([null, null, null, null, null, null, '2026-03-01'])
    expect(weeks.flat().filter(Boolean)).toHaveLength(31)
    expect(weeks.every((week) => week.length === 7)).toBe(true)
  })

  it('goes over the turn of a year, and knows leap years', () => {
    expect([shifted('2025-12', 1), shifted('2026-01', -1)]).toEqual(['2026-01', '2025-12'])
    expect([wholeMonth('2024-02').to, wholeMonth('2026-02').to]).toEqual(['2024-02-29', '2026-02-28'])
  })

  it('reads days as people write them', () => {
    for (const text of ['2026-03-04', '2026/3/4', '2026.3.4', '20260304', '2026年3月4日', ' ２０２６-3-4']) expect(dayFrom(text)).toBe('2026-03-04')
    expect(['2026-02-29', 'yesterday', '2026-3-4'].map(isDay)).toEqual([false, false, false])
  })
})

it('tells counts up to 10,000 and that there are more', () => {
  expect([countText({ value: 10_000, more: true }), countText({ value: 1234, more: false })]).toEqual(['10,000+', '1,234'])
})

describe('what a project was found by', () => {
  const met = (hit: Matched['hit'], value: string, asked: string, filter = 'text'): Matched => ({ filter, asked, hit, value, today: '' })

  it('is told once for each line, with all words of it', () => {
    expect(reasonsOf([met('name', '旧桥 A01', '桥'), met('name', '旧桥 A01', 'a01')])).toEqual([{ what: '项目名称', value: '旧桥 A01', words: ['桥', 'a01'] }])
  })

  it('is told once for a region that is its trade place, too', () => {
    const matched = [met('region', '53', '53', 'region'), met('trade_place', '53', '53', 'region')]
    expect(reasonsOf(matched).map(({ what, words }) => [what, words])).toEqual([['项目所在区域、交易发生地', []]])
  })
})
