/** The time that a report is about, kept in the address; the quarter before this one unless told otherwise. */

import { computed, type ComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { quarterOf } from './words'

export interface Period {
  fromUs: number
  toUs: number
}

const DAY_US = 86_400_000_000

export function usePeriod(): { period: ComputedRef<Period>; change: (period: Period) => void } {
  const route = useRoute()
  const router = useRouter()
  const period = computed<Period>(() => {
    const fromUs = Number(route.query.from_us)
    const toUs = Number(route.query.to_us)
    const now = quarterOf(Date.now() * 1000)
    return fromUs > 0 && toUs > fromUs ? { fromUs, toUs } : { fromUs: quarterOf(now.fromUs - DAY_US).fromUs, toUs: now.toUs }
  })
  return {
    period,
    change: ({ fromUs, toUs }) => void router.push({ query: { ...route.query, from_us: String(fromUs), to_us: String(toUs) } }),
  }
}
