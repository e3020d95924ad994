/** Check-ups and bookings of all rooms: asked for together, seldom, and after every change by this page. */

import { api, ApiError, type Booking, type Checkup } from '@/api/client'
import { useResource } from '@/api/resource'
import { i18n } from '@/i18n'
import { SELDOM_MS, usePolling } from './polling'

export interface Rooms {
  checkupOf: (roomId: string) => Checkup | null
  bookingsOf: (roomId: string) => Booking[]
  reload: () => Promise<void>
}

export function useRooms(): Rooms {
  const checkups = useResource((signal) => api.newestCheckups(signal), { live: false })
  const bookings = useResource((signal) => api.bookings(signal), { live: false })
  const reload = async (): Promise<void> => void (await Promise.all([checkups.reload(), bookings.reload()]))
  usePolling(reload, SELDOM_MS)
  void reload()
  return {
    checkupOf: (roomId) => checkups.data.value?.find((one) => one.room_id === roomId) ?? null,
    bookingsOf: (roomId) => bookings.data.value?.filter((one) => one.room_id === roomId) ?? [],
    reload,
  }
}

/** Why something entered was not done, for people. */
export function refusalOf(reason: unknown): string {
  const { t } = i18n.global
  if (!(reason instanceof ApiError)) return t('error.refused', { why: String(reason) })
  if (reason.message) return t('error.refused', { why: reason.message })
  if (reason.status === 422) return t('error.invalid')
  return reason.status === 0 ? t('error.network') : t('error.server', { status: reason.status })
}
