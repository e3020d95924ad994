/** How high the rows of the chart are, in pixels: the same while somebody zooms. */

import type { Scale } from './axis'
import { placeLabels, textWidth } from './labels'
import type { Row } from './rows'

export const LEVEL_PX = 18
const MOST_LEVELS = 4
const HEIGHTS: Record<Row['kind'], number> = {
  session: 26, events: LEVEL_PX, tags: LEVEL_PX, sections: 22, faults: 18, seat: 22, source: 16, sources: 22, bookings: 20,
}

/** A row of moments is as high as its labels need while all of the axis is seen. */
export function heightOf(row: Row, whole: Scale): number {
  if (!row.points.length) return HEIGHTS[row.kind]
  const items = row.points.filter((point) => point.text).map((point) => ({ x: whole.x(point.atUs), width: textWidth(point.text) + 14 }))
  const levels = placeLabels(items, MOST_LEVELS, whole.width).map((one) => (one.level ?? MOST_LEVELS - 1) + 1)
  return Math.max(1, ...levels) * LEVEL_PX + 4
}
