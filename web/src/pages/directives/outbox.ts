import type { DirectiveEntry } from '@/api/client'

/**
 * A directive on its way. It is kept before it is sent and forgotten once the server has it, so that one that a
 * dropped line swallowed is shown as not sent even after the page was left. Its id makes it one directive,
 * however often it is sent.
 */

const STORED_AS = 'jianzheng.directive.'

export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `directive-${Array.from(bytes, (one) => one.toString(16).padStart(2, '0')).join('')}`
}

export function keep(projectId: string, entry: DirectiveEntry): void {
  try {
    sessionStorage.setItem(STORED_AS + projectId, JSON.stringify(entry))
  } catch {
    // A browser without storage shows it as not sent while the page is open.
  }
}

export function kept(projectId: string): DirectiveEntry | null {
  try {
    return JSON.parse(sessionStorage.getItem(STORED_AS + projectId) ?? 'null') as DirectiveEntry | null
  } catch {
    return null
  }
}

export function forget(projectId: string): void {
  try {
    sessionStorage.removeItem(STORED_AS + projectId)
  } catch {
    // Nothing was kept.
  }
}
