import { onBeforeUnmount, onMounted } from 'vue'
import { nearer } from '@/live/places'
import type { LiveWall } from '@/live/wall'

export interface KeyActions {
  pick(): void
  help(): void
  /** Close what lies over the wall; false where nothing does. */
  close(): boolean
}

/** The live wall's keys, wherever the focus is, except in a field or with a modifier. Digits are for tags. */
export function onLiveKeys(wall: LiveWall, does: KeyActions): void {
  const { view } = wall
  const columns = (): number => Math.round(Math.sqrt(view.layout))
  const move = (by: number): void => {
    const next = view.focused + by
    if (next >= 0 && next < view.layout) view.focused = next
    if (view.full !== null) view.full = view.focused
  }
  const actions: Record<string, () => void> = {
    ArrowLeft: () => move(-1),
    ArrowRight: () => move(1),
    ArrowUp: () => move(-columns()),
    ArrowDown: () => move(columns()),
    Enter: () => (view.full = view.full === null ? view.focused : null),
    Escape: () => escape(wall, does),
    '-': () => wall.stepLayout(-1),
    '=': () => wall.stepLayout(1),
    '+': () => wall.stepLayout(1),
    g: () => goNearer(wall),
    d: () => wall.swapDesktop(view.focused),
    s: () => wall.listen(view.focused),
    p: () => does.pick(),
    '?': () => does.help(),
  }
  const onKey = (event: KeyboardEvent): void => {
    const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key]
    const target = event.target as HTMLElement
    if (!action || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
    if (target.closest('input, select, textarea, [role="dialog"] button')) return
    if (event.key === 'Enter' && target.closest('button:focus-visible, a:focus-visible')) return
    event.preventDefault()
    action()
  }
  onMounted(() => window.addEventListener('keydown', onKey))
  onBeforeUnmount(() => window.removeEventListener('keydown', onKey))
}

function escape(wall: LiveWall, does: KeyActions): void {
  if (does.close()) return
  if (wall.view.full !== null) wall.view.full = null
  else wall.goBack()
}

function goNearer(wall: LiveWall): void {
  const place = wall.focusedPlace.value
  const to = place && nearer(wall.places.value, place, wall.view.level)
  if (to) wall.goNearer(wall.view.focused, to)
}
