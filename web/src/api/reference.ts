import { shallowRef, type ShallowRef } from 'vue'
import { api, type Industry, type Region } from './client'
import { localName } from '@/i18n'

interface Coded {
  code: string
  name_zh: string
  name_en: string
  parent_code: string | null
}

export interface TreeNode {
  value: string
  label: string
  children: TreeNode[]
}

const regions = shallowRef<Region[]>([])
const industries = shallowRef<Industry[]>([])
let asked = false

/** The reference tables, fetched once; empty until the server has answered. */
export function useReference(): { regions: ShallowRef<Region[]>; industries: ShallowRef<Industry[]> } {
  if (!asked) {
    asked = true
    void load()
  }
  return { regions, industries }
}

async function load(): Promise<void> {
  try {
    ;[regions.value, industries.value] = await Promise.all([api.regions(), api.industries()])
  } catch {
    asked = false
  }
}

/** Rows with parents -> trees, in the order of the rows. A row whose parent is missing is a root. */
export function toTree(rows: readonly Coded[], name: (row: Coded) => string = localName): TreeNode[] {
  const nodes = new Map(rows.map((row) => [row.code, { value: row.code, label: name(row), children: [] as TreeNode[] }]))
  const roots: TreeNode[] = []
  for (const row of rows) {
    const siblings = row.parent_code === null ? roots : (nodes.get(row.parent_code)?.children ?? roots)
    siblings.push(nodes.get(row.code)!)
  }
  return roots
}

/** The row's name, or its code where the table does not know it. */
export function nameOf(rows: readonly Coded[], code: string): string {
  const row = rows.find((candidate) => candidate.code === code)
  return row ? localName(row) : code
}
