/** A list of the server's that comes page by page. */

import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { ApiError, type Count } from '@/api/client'

export const PAGE_SIZE = 20

interface Page<T> {
  items: readonly T[]
  total: Count
  next: string | null
}

export interface Paged<T> {
  /** The pages that came; null before the first. They stay while something else is asked for. */
  page: ShallowRef<Page<T> | null>
  error: Ref<ApiError | null>
  loading: Ref<boolean>
  /** Begin with the first page; what is under way is given up. */
  reload: () => Promise<void>
  /** The page behind the last one. */
  more: () => Promise<void>
  /** Give up what is under way. */
  stop: () => void
}

export function usePaged<T>(fetcher: (mark: string | undefined, signal: AbortSignal) => Promise<Page<T>>): Paged<T> {
  const page = shallowRef<Page<T> | null>(null)
  const error = ref<ApiError | null>(null)
  const loading = ref(false)
  let current: AbortController | null = null

  async function fetchFrom(mark: string | undefined, before: readonly T[]): Promise<void> {
    stop()
    const mine = (current = new AbortController())
    loading.value = true
    try {
      const found = await fetcher(mark, mine.signal)
      if (mine !== current) return
      page.value = { ...found, items: [...before, ...found.items] }
      error.value = null
    } catch (reason) {
      if (mine !== current) return
      error.value = reason instanceof ApiError ? reason : new ApiError(0, String(reason))
    }
    loading.value = false
  }

  async function more(): Promise<void> {
    const known = page.value
    if (known?.next && !loading.value) await fetchFrom(known.next, known.items)
  }

  function stop(): void {
    current?.abort()
    current = null
    loading.value = false
  }

  onScopeDispose(stop)
  return { page, error, loading, reload: () => fetchFrom(undefined, []), more, stop }
}
