import { onScopeDispose, ref, type Ref } from 'vue'
import { ApiError, type Directive, type DirectiveKind } from '@/api/client'
import { formatDuration } from '@/format/beijing'
import { i18n } from '@/i18n'

const DAY_US = 86_400_000_000

export type State = Directive['state']

/** The server's time, going on by this browser's clock from what the server said last. */
export function useServerNow(saidUs: () => number | undefined): Ref<number> {
  const now = ref(Date.now() * 1000)
  let said = 0
  let aheadUs = 0
  const tick = (): void => {
    const told = saidUs()
    if (told !== undefined && told !== said) {
      said = told
      aheadUs = told - Date.now() * 1000
    }
    now.value = Date.now() * 1000 + aheadUs
  }
  tick()
  const timer = setInterval(tick, 500)
  onScopeDispose(() => clearInterval(timer))
  return now
}

/** Overdue is told by the clock: the server says nothing when a limit passes. */
export function stateOf(directive: Directive, nowUs: number): State {
  return directive.state === 'issued' && nowUs > directive.due_us ? 'overdue' : directive.state
}

export function kindName(kind: DirectiveKind): string {
  return i18n.global.t(`directive.kinds.${kind}`)
}

/** What is left of the limit, or by how much it is passed; empty once it was answered. */
export function leftText(directive: Directive, nowUs: number): string {
  const { t } = i18n.global
  if (directive.answered_us !== null || directive.closed_us !== null) return directive.late ? t('directive.late') : ''
  const us = directive.due_us - nowUs
  return us >= 0 ? t('directive.left', { length: lengthText(us) }) : t('directive.over', { length: lengthText(-us) })
}

function lengthText(us: number): string {
  const n = Math.floor(us / DAY_US)
  return n > 0 ? i18n.global.t('directive.days', { n }) : formatDuration(us)
}

const CODES = ['already', 'nothing_runs', 'other']

/** Why something was not done, in words; whether the server has it is not known where the line dropped. */
export function refusalText(error: unknown): string {
  const { t } = i18n.global
  if (!(error instanceof ApiError)) return String(error)
  if (CODES.includes(error.code)) return t(`directive.refusals.${error.code}`)
  if (error.message) return error.message
  return error.status === 0 ? t('error.network') : t('error.server', { status: error.status })
}
