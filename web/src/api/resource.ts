import { onScopeDispose, ref, shallowRef, type Ref, type ShallowRef } from 'vue'
import { ApiError } from './client'
import { onCatalogueChange } from './live'

export interface Resource<T> {
  /** What the server said last; stays while a refetch is under way or has failed. */
  data: ShallowRef<T | null>
  /** Why the last fetch failed. */
  error: Ref<ApiError | null>
  loading: Ref<boolean>
  /** Ask anew; what is under way is given up, since something else is asked for now. */
  reload: () => Promise<void>
  /** Ask for the same again; after what is under way: a slow answer would else never arrive while much changes. */
  refresh: () => Promise<void>
}

/**
 * Something of the server's, refetched whenever the catalogue changes. A newer fetch supersedes an older one.
 *
 * While something is recorded the catalogue changes every second: what few people change is rather asked for
 * now and then (`live: false`).
 */
export function useResource<T>(fetcher: (signal: AbortSignal) => Promise<T>, { live = true } = {}): Resource<T> {
  const data = shallowRef<T | null>(null)
  const error = ref<ApiError | null>(null)
  const loading = ref(false)
  let current: AbortController | null = null
  let again = false

  async function reload(): Promise<void> {
    current?.abort()
    again = false
    const mine = (current = new AbortController())
    loading.value = true
    try {
      const result = await fetcher(mine.signal)
      if (mine !== current) return
      data.value = result
      error.value = null
    } catch (reason) {
      if (mine !== current) return
      error.value = reason instanceof ApiError ? reason : new ApiError(0, String(reason))
    }
    loading.value = false
    if (again) void reload()
  }

  async function refresh(): Promise<void> {
    if (loading.value) again = true
    else await reload()
  }

  if (live) onCatalogueChange(() => void refresh())
  onScopeDispose(() => {
    current?.abort()
    current = null
  })
  return { data, error, loading, reload, refresh }
}
