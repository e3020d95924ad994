/** Sites and rooms, by what stands in them: fetched once. */

import { computed, shallowRef, type ComputedRef } from 'vue'
import { api } from '@/api/client'
import { localName } from '@/i18n'
import { byPlace, type Place } from '../sources/figures'

const places = shallowRef<Place[]>([])
let asked = false

export interface Places {
  places: ComputedRef<readonly Place[]>
  /** The name, or the id while nobody has told it. */
  siteName: (id: string) => string
  roomName: (id: string) => string
}

export function usePlaces(): Places {
  if (!asked) {
    asked = true
    api.sources().then((overview) => (places.value = byPlace(overview))).catch(() => (asked = false))
  }
  return {
    places: computed(() => places.value),
    siteName: (id) => {
      const place = places.value.find((one) => one.sources[0]?.site_id === id)
      return place ? localName(place.site) : id
    },
    roomName: (id) => {
      const place = places.value.find((one) => one.id === id)
      return place ? localName(place.room) : id
    },
  }
}
