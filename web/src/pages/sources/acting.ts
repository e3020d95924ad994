import { computed, ref, type Ref, type WritableComputedRef } from 'vue'
import { me } from '@/api/me'
import { refusalOf } from './rooms'

const STORED_AS = 'jianzheng.name'
const name = ref(storedName())

/** Who acts: the account that is signed in; without accounts, what was entered in this browser. */
export function useName(): WritableComputedRef<string> {
  return computed({
    get: () => (me.value && !me.value.local ? me.value.account : name.value),
    set: (value) => {
      name.value = value
      try {
        localStorage.setItem(STORED_AS, value)
      } catch {
        // A browser without storage asks again next time.
      }
    },
  })
}

function storedName(): string {
  try {
    return localStorage.getItem(STORED_AS) ?? ''
  } catch {
    return ''
  }
}

export interface Acting {
  busy: Ref<boolean>
  /** Why the last thing was not done; empty while all is well. */
  refusal: Ref<string>
  /** Do one thing at a time; whether it was done. */
  act: (job: () => Promise<unknown>) => Promise<boolean>
}

export function useActing(): Acting {
  const busy = ref(false)
  const refusal = ref('')

  async function act(job: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    refusal.value = ''
    try {
      await job()
    } catch (reason) {
      refusal.value = refusalOf(reason)
    } finally {
      busy.value = false
    }
    return refusal.value === ''
  }

  return { busy, refusal, act }
}
