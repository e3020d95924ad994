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
