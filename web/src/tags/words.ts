/** What may be marked: the server's list is the only one, and every wall asks here. */

import { shallowRef, type ShallowRef } from 'vue'
import { api, type Tag, type TagKind, type TagSeverity, type TagWords } from '@/api/client'
import { localName } from '@/i18n'
import { severityName, tagName } from '@/pages/timeline/words'

const words = shallowRef<TagWords | null>(null)
let asked = false

/** Kinds and severities, fetched once; null until the server has answered. */
export function useTagWords(): ShallowRef<TagWords | null> {
  if (!asked) {
    asked = true
    api.tagWords().then((found) => (words.value = found)).catch(() => (asked = false))
  }
  return words
}

export function wordOf(row: TagKind | TagSeverity): string {
  return localName({ name_zh: row.zh, name_en: row.en })
}

/** A tag in words: what it marks and how bad it is. */
export function tagTitle(tag: Pick<Tag, 'kind' | 'severity'>): string {
  const kind = useTagWords().value?.kinds.find((one) => one.type === tag.kind)
  const severity = useTagWords().value?.severities.find((one) => one.type === tag.severity)
  const name = kind ? wordOf(kind) : tagName(tag.kind)
  if (!tag.severity) return name
  return `${name} · ${severity ? wordOf(severity) : severityName(tag.severity)}`
}
