/** Where the wall is in time. Pure: time goes in by `advance`, nothing is scheduled here. */

/** The most real time that one `advance` may add: a page that was asleep does not leap. */
const LEASE_MS = 250

export interface ClockRange {
  startUs: number
  endUs: number
}

/**
 * The master clock of the replay wall.
 *
 * `playing` is what the viewer asked for; time passes only while the panes confirm it. `now` counts milliseconds
 * and never goes back.
 */
export class MasterClock {
  private position: number
  private last: number | null = null
  private wanted = false
  private speed = 1

  constructor(
    readonly range: ClockRange,
    private readonly now: () => number,
  ) {
    this.position = range.startUs
  }

  get positionUs(): number {
    return this.position
  }

  get rate(): number {
    return this.speed
  }

  get playing(): boolean {
    return this.wanted
  }

  get ended(): boolean {
    return this.position >= this.range.endUs
  }

  /** Start; at the end of the range it starts again from the beginning. */
  play(): void {
    if (this.ended) this.position = this.range.startUs
    this.wanted = true
    this.last = null
  }

  pause(): void {
    this.wanted = false
  }

  seek(us: number): void {
    this.position = Math.min(this.range.endUs, Math.max(this.range.startUs, Math.round(us)))
    this.last = null
  }

  setRate(rate: number): void {
    if (!(rate > 0)) throw new RangeError(`rate must be positive, not ${rate}`)
    this.speed = rate
  }

  /** Let time pass since the last call, if playing and `confirmed` by every pane. Returns the position. */
  advance(confirmed: boolean): number {
    const now = this.now()
    const elapsed = this.last === null ? 0 : Math.min(LEASE_MS, Math.max(0, now - this.last))
    this.last = now
    if (!this.wanted || !confirmed) return this.position
    this.position = Math.min(this.range.endUs, this.position + Math.round(elapsed * 1000 * this.speed))
    if (this.ended) this.wanted = false
    return this.position
  }
}
