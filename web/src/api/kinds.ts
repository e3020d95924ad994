/** What kinds of events are called: the server's list is the only one, and every page asks here. */

import { shallowRef, type ShallowRef } from 'vue'
import { localName } from '@/i18n'
import { api, type EventKind } from './client'

const kinds = shallowRef<EventKind[]>([])
let asked = false

/** The kinds of events, fetched once; empty until the server has answered. */
export function useKinds(): ShallowRef<EventKind[]> {
  if (!asked) {
    asked = true
    api.eventKinds().then((found) => (kinds.value = found)).catch(() => (asked = false))
  }
  return kinds
}

/** A kind in words; one that nobody described as it came. */
export function kindName(type: string): string {
  const kind = useKinds().value.find((one) => one.type === type)
  return kind ? localName({ name_zh: kind.zh, name_en: kind.en }) : type
}
