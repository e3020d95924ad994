/** How a live picture is kept near now without standing still. Pure. */

/** So much is kept in hand at the lowest point between two arrivals, seconds; it grows where that was too little. */
export const LEAST_S = 0.04
const MOST_S = 0.6
const MORE_S = 0.04
const CALM_MS = 8000
/** With so much more in hand than need be nobody waits for the rate to catch up. */
const JUMP_S = 0.35
const SURE_MS = 600
const WINDOW_MS = 1500

/** Remembers how much was in hand lately and how often it was too little. */
export class Margin {
  private readonly seen: { atMs: number; aheadS: number }[] = []
  private wantedS = LEAST_S
  private ranDryMs = -Infinity

  /** What is in hand now: from the picture on the screen to the newest that has come. */
  note(atMs: number, aheadS: number): void {
    this.seen.push({ atMs, aheadS })
    while (this.seen.length > 0 && this.seen[0]!.atMs < atMs - WINDOW_MS) this.seen.shift()
    if (atMs - this.ranDryMs > CALM_MS) this.wantedS = Math.max(LEAST_S, this.wantedS - 0.0002)
  }

  /** The picture stood still for lack of data. */
  ranDry(atMs: number): void {
    if (atMs - this.ranDryMs > 500) this.wantedS = Math.min(MOST_S, this.wantedS + MORE_S)
    this.ranDryMs = atMs
    this.forget()
  }

  /** After a jump: what was seen before says nothing. */
  forget(): void {
    this.seen.length = 0
  }

  get keptS(): number {
    return this.wantedS
  }

  /** Whether to leave something out, once, rather than to play faster for long. */
  get shouldJump(): boolean {
    const first = this.seen[0]
    if (first === undefined || this.seen.at(-1)!.atMs - first.atMs < SURE_MS) return false
    return this.lowestS! - this.wantedS > JUMP_S
  }

  get lowestS(): number | null {
    return this.seen.length > 0 ? Math.min(...this.seen.map((one) => one.aheadS)) : null
  }

  /** Playback rate: faster while more is in hand than need be, slower where it is about to run dry. */
  get rate(): number {
    const lowest = this.lowestS
    if (lowest === null) return 1
    const spare = lowest - this.wantedS
    if (spare > 0.2) return 1.25
    if (spare > 0.1) return 1.1
    if (spare > 0.03) return 1.04
    return spare < -0.03 ? 0.96 : 1
  }
}

export interface Piece {
  /** On the element's time line, seconds. */
  startS: number
  endS: number
  wallUs: number
}

/** Wall time of a moment of the element's time line; null before the first piece. */
export function wallAt(pieces: readonly Piece[], atS: number): number | null {
  for (let i = pieces.length - 1; i >= 0; i -= 1) {
    const piece = pieces[i]!
    if (piece.startS <= atS + 0.001) return piece.wallUs + Math.round((atS - piece.startS) * 1e6)
  }
  return null
}
