/** Code tables beside a search: what of them is shown, and what of them somebody may have meant. */

import type { Facet, Industry, Region } from '@/api/client'
import { wordsOf } from './marks'

export interface Coded {
  code: string
  name_zh: string
  name_en: string
  parent_code: string | null
  /** Of a former code, what it has become. */
  today?: string | null
}

/** Codes that a tree shows: those that are looked for or would find something, what is chosen, and all above them; all while nobody knows. */
export function shownCodes(rows: readonly Coded[], facets: readonly Facet[] | null, chosen: readonly string[], sought: string): Set<string> {
  const words = wordsOf(sought)
  const fits = (row: Coded): boolean => {
    const told = `${row.code}\n${row.name_zh}\n${row.name_en}`.toLowerCase()
    return words.every((word) => told.includes(word))
  }
  const found = facets ?? rows.map((row) => ({ value: row.code }))
  const wanted = words.length ? rows.filter(fits).map((row) => row.code) : found.map((facet) => facet.value)
  const parents = new Map(rows.map((row) => [row.code, row.parent_code]))
  const shown = new Set<string>()
  for (const code of [...wanted, ...chosen]) {
    for (let at: string | null | undefined = code; at && parents.has(at) && !shown.has(at); at = parents.get(at)) shown.add(at)
  }
  return shown
}

export interface Hint {
  filter: 'region' | 'industry'
  code: string
  name_zh: string
  name_en: string
  /** Codes that it had before, which are found with it. */
  former: readonly string[]
}

/** Regions and industries that somebody wrote as words: by their code, or their whole name. */
export function hintsOf(text: string, regions: readonly Region[], industries: readonly Industry[]): Hint[] {
  const words = wordsOf(text)
  const meant = (row: Coded): boolean => [row.code, row.name_zh, row.name_en].some((name) => words.includes(name.toLowerCase()))
  const former = (code: string): string[] => regions.filter((row) => row.today === code).map((row) => row.code)
  return [
    ...regions.filter(meant).map((row) => ({ ...named(row), filter: 'region' as const, former: former(row.code) })),
    ...industries.filter(meant).map((row) => ({ ...named(row), filter: 'industry' as const, former: [] })),
  ]
}

/** A text without the words that are such a code or name. */
export function withoutHint(text: string, hint: Hint): string {
  const names = [hint.code, hint.name_zh, hint.name_en].map((name) => name.toLowerCase())
  return text.split(/\s+/).filter((word) => !names.includes(wordsOf(word)[0] ?? '')).join(' ')
}

function named(row: Coded): Pick<Hint, 'code' | 'name_zh' | 'name_en'> {
  return { code: row.code, name_zh: row.name_zh, name_en: row.name_en }
}
