import { onScopeDispose } from 'vue'
import { api, ApiError, type ProjectPresence } from '@/api/client'

/**
 * Whoever sees a project's live pictures is there from afar: said once, then again and again while he does. The
 * server takes silence for leaving. Nobody whose presence does not count says anything.
 */
export function usePresence(projectId: string): void {
  let id = ''
  let timer: ReturnType<typeof setTimeout> | null = null
  let over = false

  async function come(): Promise<void> {
    const told: ProjectPresence | null = await api.presence(projectId).catch(() => null)
    if (over || !told?.may_mark) return
    await say()
    timer = setInterval(() => void say(), told.beat_seconds * 1000)
  }

  async function say(): Promise<void> {
    try {
      if (!id) id = (await api.markPresence(projectId, { mode: 'remote' })).id
      else await api.beatPresence(id)
    } catch (error) {
      // He left since, as after a night with the lid closed: he comes anew. A line that dropped is tried again.
      if (error instanceof ApiError && error.status === 409) id = ''
    }
  }

  void come()
  onScopeDispose(() => {
    over = true
    if (timer) clearInterval(timer)
  })
}
