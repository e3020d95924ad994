import { onScopeDispose } from 'vue'

const POLL_MS = 5000

/** What few people change. */
export const SELDOM_MS = 15_000

/** Ask again every few seconds: a recorder that died changes nothing in the catalogue, so no change is announced. */
export function usePolling(reload: () => Promise<void>, everyMs = POLL_MS): void {
  const timer = setInterval(() => void reload(), everyMs)
  onScopeDispose(() => clearInterval(timer))
}
