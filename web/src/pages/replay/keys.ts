import { onBeforeUnmount, onMounted } from 'vue'
import type { Wall } from '@/wall/wall'

export const STEP_US = 10_000_000

/** What keys do beside moving the clock. */
export interface WallActions {
  leave: () => void
  /** To the next or the previous tag. */
  tag: (direction: 1 | -1) => void
  /** Show or hide the list of tags. */
  tags: () => void
  /** Pass over what stands still, or not. */
  skip: () => void
  /** Faster or slower. */
  rate: (direction: 1 | -1) => void
  still: () => void
}

/** The wall's keys, wherever the focus is, except in a field; Space on a button reached by Tab stays the button's. */
export function onWallKeys(wall: Wall, act: WallActions): void {
  const actions: Record<string, () => void> = {
    ' ': () => wall.toggle(),
    ArrowLeft: () => wall.seekTo(wall.positionUs - STEP_US),
    ArrowRight: () => wall.seekTo(wall.positionUs + STEP_US),
    Home: () => wall.seekTo(wall.range.startUs),
    End: () => wall.seekTo(wall.range.endUs),
    Escape: act.leave,
    ',': () => void wall.stepFrame(-1),
    '.': () => void wall.stepFrame(1),
    '[': () => act.rate(-1),
    ']': () => act.rate(1),
    n: () => act.tag(1),
    p: () => act.tag(-1),
    l: act.tags,
    j: act.skip,
    s: act.still,
  }
  const onKey = (event: KeyboardEvent): void => {
    const target = event.target as HTMLElement
    const action = actions[event.key]
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return
    if (target.closest('input, select, textarea, [role="radiogroup"], [role="dialog"]')) return
    if (event.key === ' ' && target.closest('button:focus-visible, a:focus-visible')) return
    event.preventDefault()
    action()
  }
  onMounted(() => {
    window.addEventListener('keydown', onKey)
    window.addEventListener('click', letGo)
  })
  onBeforeUnmount(() => {
    window.removeEventListener('keydown', onKey)
    window.removeEventListener('click', letGo)
  })
}

/** A button that was clicked by mouse keeps no focus: the next Space is for the wall. A click by key has no detail. */
function letGo(event: MouseEvent): void {
  if (event.detail > 0) (event.target as HTMLElement).closest('button')?.blur()
}
