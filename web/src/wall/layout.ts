/** How many columns make the pictures largest. Pure. */
export function bestColumns(count: number, width: number, height: number, aspect = 16 / 9, caption = 34): number {
  let best = 1
  let bestWidth = 0
  for (let columns = 1; columns <= count; columns += 1) {
    const rows = Math.ceil(count / columns)
    const pictureWidth = Math.min(width / columns, (height / rows - caption) * aspect)
    if (pictureWidth > bestWidth + 0.5) {
      best = columns
      bestWidth = pictureWidth
    }
  }
  return best
}

/** Panes of several venues side by side: columns of each, and rows of all, that make the pictures largest. */
export function venueColumns(counts: readonly number[], width: number, height: number, aspect = 16 / 9, caption = 34): { columns: number[]; rows: number } {
  let best = { columns: counts.map(() => 1), rows: Math.max(1, ...counts) }
  let bestWidth = 0
  for (let rows = 1; rows <= Math.max(1, ...counts); rows += 1) {
    const columns = counts.map((count) => Math.max(1, Math.ceil(count / rows)))
    const all = columns.reduce((sum, one) => sum + one, 0)
    const pictureWidth = Math.min(width / all, (height / rows - caption) * aspect)
    if (pictureWidth > bestWidth + 0.5) {
      best = { columns, rows }
      bestWidth = pictureWidth
    }
  }
  return best
}
