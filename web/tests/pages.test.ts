import { describe, expect, it } from 'vitest'
import { textOf } from '@/api/client'
import { nameOf, toTree } from '@/api/reference'
import { filtersFrom, toAddress, toProjectQuery } from '@/pages/projectFilters'
import { isBackfilled, lanesOf, membersOf, recordedOf } from '@/pages/sessionChart'
import { madeClip, S } from './made'

describe('filters in the address', () => {
  it('survive a round trip', () => {
    const address = { region: '530600', from: '2026-11-01', to: '2026-11-30', page: '3' }
    expect(toAddress(filtersFrom(address))).toEqual(address)
  })

  it('leave the address of an unfiltered first page empty', () => {
    expect(toAddress(filtersFrom({}))).toEqual({})
  })

  it('ignore nonsense', () => {
    expect(filtersFrom({ from: 'yesterday', page: '-4', region: ['530600', '530100'] })).toEqual({
      region: '530600',
      industry: '',
      from: '',
      to: '',
      page: 1,
    })
  })

  it('ask the server for one page', () => {
    expect(toProjectQuery(filtersFrom({ page: '2', industry: 'A' }))).toMatchObject({ industry: 'A', offset: 20, limit: 20 })
  })
})

describe('reference tables', () => {
  const rows = [
    { code: '53', name_zh: '云南省', name_en: 'Yunnan', parent_code: null },
    { code: '5306', name_zh: '昭通市', name_en: 'Zhaotong', parent_code: '53' },
    { code: '99', name_zh: '孤儿', name_en: 'Orphan', parent_code: '98' },
  ]

  it('become trees, and lose no row', () => {
    const tree = toTree(rows)
    expect(tree.map((node) => node.label)).toEqual(['云南省', '孤儿'])
    expect(tree[0]!.children[0]!.value).toBe('5306')
  })

  it('answer an unknown code with itself', () => {
    expect(nameOf(rows, '530623')).toBe('530623')
  })
})

describe('lanes of a session', () => {
  it('are a clip without its gaps', () => {
    const clip = madeClip('a', 0, 30, [[20, 30], [5, 10]])
    expect(recordedOf(clip)).toEqual([
      { startUs: 0, endUs: 5 * S },
      { startUs: 10 * S, endUs: 20 * S },
    ])
  })

  it('mark what was fetched afterwards, and say why it had to be', () => {
    const part = { start_us: 10 * S, end_us: 20 * S, cause: 'network', detail: '' } as const
    const clip = madeClip('a', 0, 30, [], { backfilled: [part] })
    expect(lanesOf([clip])[0]!.backfilled).toEqual([{ startUs: 10 * S, endUs: 20 * S, text: '事后补录（当时：网络中断）' }])
    expect([9, 10, 19, 20].map((second) => isBackfilled(clip, second * S))).toEqual([false, true, true, false])
  })

  it('name every member that sat there, once', () => {
    const clips = [madeClip('a', 0, 1, [], { member: 'E2' }), madeClip('b', 1, 2, [], { member: 'E2' }), madeClip('c', 2, 3, [], { member: 'E6' })]
    expect(membersOf(clips)).toBe('E2 → E6')
  })
})

describe("the server's errors", () => {
  it.each([
    [{ detail: '没有这个项目。' }, '没有这个项目。'],
    [{ detail: { message_zh: '目录不可用', hint: '请稍后重试' } }, '目录不可用 请稍后重试'],
    [{ message_zh: '目录不可用', hint: '' }, '目录不可用'],
    [{ detail: [{ loc: ['query'], msg: 'x' }] }, ''],
    [null, ''],
  ])('%j is shown as "%s"', (body, text) => {
    expect(textOf(body)).toBe(text)
  })
})
