import { ref, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import { ApiError } from '@/api/client'

export interface Doing {
  busy: Ref<boolean>
  /** Why it was not done, or what is still to be filled in; empty while all is well. */
  said: Ref<string>
  /** Do one thing at a time; whether it was done. */
  run: (job: () => Promise<unknown>) => Promise<boolean>
}

/** One thing that somebody does, and what the server says to it. */
export function useDoing(): Doing {
  const { t, te } = useI18n()
  const busy = ref(false)
  const said = ref('')

  function words(reason: unknown): string {
    if (!(reason instanceof ApiError)) return String(reason)
    const known = `accountRefusals.${reason.code}`
    if (reason.code && te(known)) return t(known, { n: /\d+/.exec(reason.message)?.[0] ?? '' })
    if (reason.message) return reason.message
    return reason.status === 0 ? t('error.network') : t('error.server', { status: reason.status })
  }

  async function run(job: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    said.value = ''
    try {
      await job()
    } catch (reason) {
      said.value = words(reason)
    } finally {
      busy.value = false
    }
    return said.value === ''
  }

  return { busy, said, run }
}
