/** Who is signed in; what each may do, the server decides, this only spares people what it would refuse. */

import { computed, readonly, ref, type Ref } from 'vue'
import { localLabel } from '@/i18n'
import { ApiError, api, onSignedOut, type Me } from './client'

const current = ref<Me | null>(null)
const asked = ref(false)

/** Null: nobody is signed in, or it is not known yet. */
export const me: Readonly<Ref<Me | null>> = readonly(current) as Readonly<Ref<Me | null>>
/** Whether the local user may enter as somebody, as in a demo. */
export const inDemo = computed(() => current.value?.demo === true)

/** The server said that nobody is signed in. */
export const nobody = computed(() => asked.value && current.value === null)

let asking: Promise<void> | null = null

/** Ask the server who this is, once; `again` after something changed. */
export function knowMe(again = false): Promise<void> {
  if (asked.value && !again) return Promise.resolve()
  asking ??= ask().finally(() => (asking = null))
  return asking
}

async function ask(): Promise<void> {
  try {
    current.value = await api.me()
    asked.value = true
  } catch (error) {
    current.value = null
    // Without an answer it is asked again; the page itself says that the server is not there.
    asked.value = error instanceof ApiError && error.status === 401
  }
}

/** Whether the role of whoever is signed in is given an action at all. */
export function may(action: string): boolean {
  return current.value?.may.includes(action) === true
}

/** What stands over footage: label and account of whoever watches it; empty while that is not known. */
export function watermarkOf(viewer: Me | null): string {
  return viewer ? [...new Set([localLabel(viewer), viewer.account])].filter(Boolean).join(' ') : ''
}

/** The first page of whoever is signed in. */
export function firstPage(): string {
  if (current.value?.role === 'witness' || current.value?.role === 'supervisor') return '/today'
  if (may('project.see')) return '/'
  if (may('accounts.see')) return '/accounts'
  return '/me'
}

/** Call `then` when the server says that nobody is signed in any more. */
export function whenSignedOut(then: () => void): void {
  onSignedOut(() => {
    if (current.value === null) return
    current.value = null
    then()
  })
}

export async function signOut(): Promise<void> {
  await api.signOut()
  await knowMe(true)
}
