/** Texts beside moments, so that none lies on another. Pure; widths are estimates, since nothing is drawn yet. */

const WIDE = /[\u1100-\u115f\u2e80-\u303f\u3040-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/

/** About how wide a text is, in pixels. */
export function textWidth(text: string, size = 12): number {
  let units = 0
  for (const letter of text) units += WIDE.test(letter) ? 1 : 0.58
  return Math.ceil(units * size)
}

export interface Placed {
  /** Row of the label from the top; null: there is no room for it. */
  level: number | null
  /** Whether the label stands to the left of its moment. */
  left: boolean
}

const GAP_PX = 10

/**
 * A level for each label: the first on which it touches no other.
 *
 * @param items sorted by `x`; what is not on the plot gets no label.
 * @param levels how many there are.
 * @param width of the plot, at whose right edge labels turn to the left.
 */
export function placeLabels(items: readonly { x: number; width: number }[], levels: number, width: number): Placed[] {
  const ends = Array.from({ length: levels }, () => -Infinity)
  return items.map(({ x, width: wide }) => {
    if (x < -1 || x > width + 1) return { level: null, left: false }
    const left = x + wide > width
    const [from, to] = left ? [x - wide, x] : [x, x + wide]
    const level = ends.findIndex((end) => end + GAP_PX <= from)
    if (level < 0) return { level: null, left }
    ends[level] = to
    return { level, left }
  })
}
