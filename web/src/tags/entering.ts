/** One tag on its way: which key was pressed, what is still to be said. Two keys and Enter; no click. */

import { computed, ref, type ComputedRef, type Ref } from 'vue'
import { api, ApiError, type TagEntered, type TagKind, type TagSeverity } from '@/api/client'
import type { TagMoment } from './moment'
import { useTagWords } from './words'

export type Step = 'closed' | 'kind' | 'severity' | 'text'

export interface Entering {
  step: ComputedRef<Step>
  /** The frame that it is about: taken when the palette opened. */
  moment: Ref<TagMoment | null>
  kind: Ref<TagKind | null>
  severity: Ref<TagSeverity | null>
  text: Ref<string>
  busy: Ref<boolean>
  /** Why it was not saved; nothing of it was kept then. */
  refusal: Ref<ApiError | null>
  open: (moment: TagMoment) => void
  /** A digit: of the kind, then of the severity. Whether it meant anything. */
  press: (digit: number) => boolean
  back: () => void
  close: () => void
  save: () => Promise<TagEntered | null>
}

/** Ids are made here: sent twice over a bad line, a tag is kept once. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `tag-${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

export function useEntering(): Entering {
  const words = useTagWords()
  const moment = ref<TagMoment | null>(null)
  const kind = ref<TagKind | null>(null)
  const severity = ref<TagSeverity | null>(null)
  const text = ref('')
  const busy = ref(false)
  const refusal = ref<ApiError | null>(null)
  let id = newId()

  const step = computed<Step>(() => {
    if (!moment.value) return 'closed'
    if (!kind.value) return 'kind'
    return kind.value.severities.length && !severity.value ? 'severity' : 'text'
  })

  function open(at: TagMoment): void {
    moment.value = at
    kind.value = severity.value = refusal.value = null
    text.value = ''
    id = newId()
  }

  function press(digit: number): boolean {
    if (step.value === 'kind') {
      const found = words.value?.kinds.find((one) => one.key === digit)
      if (found) kind.value = found
      return found !== undefined
    }
    const found = words.value?.severities.find((one) => one.key === digit && kind.value?.severities.includes(one.type))
    if (found) severity.value = found
    return found !== undefined
  }

  function back(): void {
    refusal.value = null
    if (severity.value) severity.value = null
    else if (kind.value) kind.value = null
    else close()
  }

  function close(): void {
    moment.value = null
  }

  async function save(): Promise<TagEntered | null> {
    if (step.value !== 'text' || busy.value) return null
    busy.value = true
    refusal.value = null
    const at = moment.value!
    try {
      const entered = await api.addTag(at.sessionId, {
        id,
        at_us: Math.round(at.wallUs),
        kind: kind.value!.type,
        severity: severity.value?.type ?? '',
        text: text.value,
        source_id: at.sourceId,
      })
      close()
      return entered
    } catch (error) {
      refusal.value = error instanceof ApiError ? error : new ApiError(0, String(error))
      return null
    } finally {
      busy.value = false
    }
  }

  return { step, moment, kind, severity, text, busy, refusal, open, press, back, close, save }
}
