import { onScopeDispose } from 'vue'

const POLL_MS = 5000

/** Ask again every few seconds: a recorder that died changes nothing in the catalogue, so no change is announced. */
export function usePolling(reload: () => Promise<void>): void {
  const timer = setInterval(() => void reload(), POLL_MS)
  onScopeDispose(() => clearInterval(timer))
}
