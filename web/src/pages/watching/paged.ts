/** A list that comes in pages, the newest first. */

import { ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { ApiError } from '@/api/client'

export interface Paged<Item> {
  items: ShallowRef<Item[] | null>
  error: Ref<ApiError | null>
  loading: Ref<boolean>
  /** Whether there are older ones. */
  more: Ref<boolean>
  reload: () => Promise<void>
  older: () => Promise<void>
}

export function usePaged<Item, Mark>(fetch: (before: Mark | null) => Promise<{ items: Item[]; before: Mark | null }>): Paged<Item> {
  const items = shallowRef<Item[] | null>(null)
  const error = ref<ApiError | null>(null)
  const loading = ref(false)
  const more = ref(false)
  let mark: Mark | null = null
  let asked = 0

  async function add(anew: boolean): Promise<void> {
    const mine = ++asked
    loading.value = true
    try {
      const page = await fetch(anew ? null : mark)
      if (mine !== asked) return
      items.value = anew ? page.items : [...(items.value ?? []), ...page.items]
      mark = page.before
      more.value = mark !== null
      error.value = null
    } catch (reason) {
      if (mine !== asked) return
      error.value = reason instanceof ApiError ? reason : new ApiError(0, String(reason))
    }
    loading.value = false
  }

  return { items, error, loading, more, reload: () => add(true), older: () => add(false) }
}
