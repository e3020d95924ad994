/** `window.__wall`: the automation surface of the replay wall, for acceptance tests and remote control. */

import type { PaneState } from './pane'
import type { Wall } from './wall'

export interface WallHook {
  /** Move the clock to a wall time, UTC microseconds, kept inside the session. */
  seekTo(us: number): void
  play(): void
  pause(): void
  setRate(rate: number): void
  /** One picture on or back, of the panes in focus, else of whichever has the next one. */
  stepFrame(direction: 1 | -1): Promise<void>
  /** Position of the master clock, UTC microseconds. */
  positionUs(): number
  panes(): PaneReport[]
}

export interface PaneReport {
  sourceId: string
  /** Where the picture lies in the viewport, CSS pixels: exactly the video's frame, without borders. */
  rect: { x: number; y: number; width: number; height: number }
  /** `playing`: a picture of the clock's time is shown, moving or paused. */
  state: PaneState
  /** Wall time of the media element, null unless a picture is shown. */
  currentUs: number | null
  /** Wall time of the frame presented last, null unless a picture is shown. */
  frameUs: number | null
}

declare global {
  interface Window {
    __wall?: WallHook
  }
}

export function installHook(wall: Wall): () => void {
  const hook: WallHook = {
    seekTo: (us) => wall.seekTo(us),
    play: () => wall.play(),
    pause: () => wall.pause(),
    setRate: (rate) => wall.setRate(rate),
    stepFrame: (direction) => wall.stepFrame(direction),
    positionUs: () => wall.positionUs,
    panes: () => report(wall),
  }
  window.__wall = hook
  return () => {
    if (window.__wall === hook) delete window.__wall
  }
}

function report(wall: Wall): PaneReport[] {
  return wall.panes.map((pane) => ({
    sourceId: pane.source.id,
    rect: pictureRect(pane.source.id),
    state: pane.view.state,
    currentUs: pane.currentUs,
    frameUs: pane.shownUs,
  }))
}

function pictureRect(sourceId: string): PaneReport['rect'] {
  const element = document.querySelector(`[data-testid="${CSS.escape(`pane-${sourceId}`)}"] [data-picture]`)
  const { x, y, width, height } = element?.getBoundingClientRect() ?? new DOMRect()
  return { x, y, width, height }
}
