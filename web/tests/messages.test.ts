import { describe, expect, it } from 'vitest'
import { en } from '@/i18n/en'
import { zhCN } from '@/i18n/zh-CN'
import description from '../openapi.json'
import eventKinds from '../../kernel/data/event_kinds.yaml?raw'

type Tree = { [key: string]: string | Tree }

function flat(tree: Tree, path = ''): Map<string, string> {
  const entries = Object.entries(tree).flatMap(([key, value]): [string, string][] =>
    typeof value === 'string' ? [[path + key, value]] : [...flat(value, `${path}${key}.`)],
  )
  return new Map(entries)
}

const chinese = flat(zhCN)
const english = flat(en)
const placeholders = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map((match) => match[1]!).sort()

/** Every source file of the front end, by path. */
const sources = Object.entries(
  import.meta.glob<string>(['../src/**/*.vue', '../src/**/*.ts'], { query: '?raw', import: 'default', eager: true }),
)

describe('the message catalogues', () => {
  it('have the same keys', () => {
    expect([...english.keys()]).toEqual([...chinese.keys()])
  })

  it('fill in the same places', () => {
    for (const [key, text] of chinese) expect(placeholders(english.get(key)!), key).toEqual(placeholders(text))
  })

  it('have no names for kinds of events of their own: those are the server\'s (kernel/data/event_kinds.yaml)', () => {
    const kinds = eventKinds.match(/type: [\w.]+/g)!.map((one) => one.slice(6))
    expect(kinds.length).toBeGreaterThan(40)
    const keys = [...chinese.keys(), ...english.keys()]
    expect(keys.filter((key) => kinds.some((kind) => key.endsWith(`.${kind}`)))).toEqual([])
  })

  it('have words for every reporter, notice and refusal of the API', () => {
    const { ReporterKind, NoticeCode, Refusal } = description.components.schemas
    const wanted = [
      ...ReporterKind.enum.map((one) => `timeline.who.${one}`),
      ...NoticeCode.enum.map((one) => `timeline.notices.${one}`),
      ...Refusal.enum.map((one) => `timeline.refusals.${one}`),
    ]
    expect(wanted.length).toBeGreaterThan(10)
    for (const words of [chinese, english]) expect(wanted.filter((key) => !words.has(key))).toEqual([])
  })

  it('leave nothing empty', () => {
    for (const [key, text] of [...chinese, ...english]) expect(text.trim(), key).not.toBe('')
  })

  it('know every key that a page asks for', () => {
    const used = sources.flatMap(([, text]) => [...text.matchAll(/\bt\('([\w.]+)'/g)].map((m) => m[1]!))
    expect(used.length).toBeGreaterThan(80)
    expect(used.filter((key) => !chinese.has(key))).toEqual([])
  })

  it('have words and a remedy for every fault that the API knows', () => {
    const faults = description.components.schemas.Fault.enum
    expect(faults.length).toBeGreaterThan(15)
    for (const words of [chinese, english]) {
      expect([...words.keys()].filter((key) => /^fault\..*\.name$/.test(key))).toEqual(faults.map((one) => `fault.${one}.name`))
      const told = faults.map((one) => words.get(`fault.${one}.name`))
      expect(new Set(told).size).toBe(faults.length)
      expect(faults.filter((one) => !words.has(`fault.${one}.remedy`))).toEqual([])
    }
  })

  it('hold every Chinese text of the pages', () => {
    const pages = sources.filter(([path]) => !path.includes('/i18n/') && !path.endsWith('schema.d.ts'))
    const found = pages.filter(([, text]) => />[^<{]*[\u4e00-\u9fff]/.test(text.split('<style')[0]!)).map(([path]) => path)
    expect(found).toEqual([])
  })
})
