import { shallowRef } from 'vue'
import { api, type Attention } from '@/api/client'
import { useResource } from '@/api/resource'

/** What waits for whoever is signed in, as the server said last; the banner asks, the header shows it, too. */
export const attention = shallowRef<Attention | null>(null)

/** Ask again whenever something changes; for the one component that is on every page. */
export function followAttention(): () => Promise<void> {
  const { reload } = useResource(async (signal) => {
    attention.value = await api.attention(signal)
    return attention.value
  })
  void reload()
  return reload
}
