/** `window.__live`: the automation surface of the live wall, for acceptance tests and the benchmark. */

import type { LiveWall, PaneState } from './wall'

export interface LiveHook {
  panes(): LiveReport[]
}

export interface LiveReport {
  index: number
  sourceId: string
  state: PaneState
  /** Where the picture lies in the viewport, CSS pixels. */
  rect: { x: number; y: number; width: number; height: number }
  frameUs: number | null
  ageMs: number | null
  firstMs: number | null
  dropped: number
}

declare global {
  interface Window {
    __live?: LiveHook
  }
}

export function installLiveHook(wall: LiveWall): () => void {
  const hook: LiveHook = { panes: () => wall.visible().flatMap((pane) => report(wall, pane.index)) }
  window.__live = hook
  return () => {
    if (window.__live === hook) delete window.__live
  }
}

function report(wall: LiveWall, index: number): LiveReport[] {
  const { place, state, frameUs, ageMs, dropped } = wall.panes[index]!
  if (!place) return []
  const video = document.querySelector(`[data-testid="live-pane-${index}"] video`)
  const { x, y, width, height } = video?.getBoundingClientRect() ?? new DOMRect()
  return [{ index, sourceId: place.source.source_id, state, rect: { x, y, width, height }, frameUs, ageMs, firstMs: wall.firstMs(index), dropped }]
}
