import { inject } from 'vue'
import { LIVE_WALL, type FocusedPicture } from './wall'

/**
 * The picture that somebody looks at on the live wall, for tags and directives: ask at the moment of the key.
 * Works in components below the wall, such as `tags/LiveTags.vue`; null where no pane is focused.
 */
export function useFocusedPicture(): () => FocusedPicture | null {
  const wall = inject(LIVE_WALL, null)
  return () => wall?.focusedPicture() ?? null
}
