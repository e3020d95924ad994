/** The replay wall: one master clock, many panes, one loop. */

import { shallowReactive } from 'vue'
import { MasterClock, type ClockRange } from './clock'
import type { Beat, PanePlayer } from './pane'
import { STEP_ABOVE } from './steer'

export const RATES = [0.5, 1, 2, 4, 8, 16] as const

/** More at once would starve the page's other requests: HTTP/1.1 browsers keep six connections. */
const PARALLEL_FETCHES = 4
const FETCH_EVERY_MS = 100
const TRIM_EVERY_MS = 5000
/** So many corrections by seeking within six seconds mean that this machine cannot decode so fast. */
const TOO_MANY_CORRECTIONS = 6
const SPEED_WINDOW_MS = 2000
/** A step where nobody can say when the next picture is: 25 a second. */
const PICTURE_US = 40_000
/** Of a stretch that is passed over so much is shown at either end. */
const GLIMPSE_US = 1_000_000

export type WallPhase = 'paused' | 'playing' | 'waiting' | 'ended'

export interface WallView {
  positionUs: number
  /** What the panes confirm, not what was asked for. */
  phase: WallPhase
  playing: boolean
  rate: number
  stepping: boolean
  waitingFor: readonly string[]
  /** Speed that this machine reaches, over the last two seconds. */
  actualRate: number
  audibleId: string | null
}

export class Wall {
  readonly view: WallView
  private readonly clock: MasterClock
  private frame = 0
  private confirmed = false
  private slow = false
  private fetches = 0
  private fetchedAtMs = 0
  private trimmedAtMs = 0
  private mark = { ms: 0, us: 0 }
  private focus: ReadonlySet<string> = new Set()
  private skipped: readonly { startUs: number; endUs: number }[] = []

  constructor(
    readonly panes: readonly PanePlayer[],
    readonly range: ClockRange,
  ) {
    this.clock = new MasterClock(range, () => performance.now())
    this.view = shallowReactive<WallView>({
      positionUs: range.startUs,
      phase: 'paused',
      playing: false,
      rate: 1,
      stepping: false,
      waitingFor: [],
      actualRate: 1,
      audibleId: null,
    })
  }

  start(): void {
    this.look()
    const loop = (): void => {
      this.tick()
      this.frame = requestAnimationFrame(loop)
    }
    this.frame = requestAnimationFrame(loop)
    document.addEventListener('visibilitychange', this.onVisibility)
  }

  stop(): void {
    cancelAnimationFrame(this.frame)
    document.removeEventListener('visibilitychange', this.onVisibility)
    this.panes.forEach((pane) => pane.detach())
  }

  get positionUs(): number {
    return this.clock.positionUs
  }

  play(): void {
    this.clock.play()
    this.restartMeter()
  }

  pause(): void {
    const wasStepping = this.view.stepping
    this.clock.pause()
    if (wasStepping) this.look()
  }

  /** Go to the picture before or behind: of the panes in focus, else of whichever has the nearest. */
  async stepFrame(direction: 1 | -1): Promise<void> {
    this.clock.pause()
    const from = this.clock.positionUs
    // Back from where the pictures that are on screen began, all together.
    const since = direction > 0 ? from : ((await this.nearest(from + 1, -1)) ?? from)
    const near = await this.nearest(since, direction)
    if (this.clock.positionUs !== from) return // somebody went elsewhere meanwhile
    this.seekTo(near ?? from + direction * PICTURE_US)
  }

  private async nearest(us: number, direction: 1 | -1): Promise<number | null> {
    const asked = this.panes.filter((pane) => pane.visible && (this.focus.size === 0 || this.focus.has(pane.source.id)))
    const found = (await Promise.all(asked.map((pane) => pane.neighbour(us, direction)))).filter((one) => one !== null)
    if (found.length === 0) return null
    return direction > 0 ? Math.min(...found) : Math.max(...found)
  }

  /** The panes that steps go by; none: all. */
  focusOn(sourceIds: readonly string[]): void {
    this.focus = new Set(sourceIds)
  }

  /** Pass over these while playing. */
  skip(ranges: readonly { startUs: number; endUs: number }[]): void {
    this.skipped = ranges
  }

  /** Where a stretch that is passed over ends, if the clock is in one; its first moments are shown. */
  private passOver(): void {
    const us = this.clock.positionUs
    const range = this.clock.playing && this.skipped.find((one) => us >= one.startUs + GLIMPSE_US && us < one.endUs - GLIMPSE_US)
    if (range && range.endUs < this.range.endUs) this.seekTo(range.endUs - GLIMPSE_US)
  }

  private look(): void {
    this.fetchedAtMs = 0
    this.panes.forEach((pane) => void pane.look(this.clock.positionUs))
  }

  toggle(): void {
    if (this.clock.playing) this.pause()
    else this.play()
  }

  seekTo(us: number): void {
    this.clock.seek(us)
    this.confirmed = false
    this.panes.forEach((pane) => pane.retry())
    if (!this.view.stepping) this.look()
    this.restartMeter()
  }

  setRate(rate: number): void {
    this.clock.setRate(rate)
    this.slow = false
    this.confirmed = false
    this.panes.forEach((pane) => (pane.corrections.length = 0))
    this.applySound()
    this.restartMeter()
  }

  /** Listen to one source, or to none. */
  listenTo(sourceId: string | null): void {
    this.view.audibleId = sourceId
    this.applySound()
  }

  private applySound(): void {
    const heard = this.clock.rate <= STEP_ABOVE ? this.view.audibleId : null
    this.panes.forEach((pane) => pane.setSound(pane.source.id === heard))
  }

  private tick(): void {
    this.passOver()
    const before = this.beat(this.clock.positionUs)
    const waitingFor = this.panes.filter((pane) => pane.visible && !pane.confirms(before)).map((pane) => pane.source.id)
    this.confirmed = waitingFor.length === 0 && !document.hidden
    const beat = this.beat(this.clock.advance(this.confirmed))
    this.panes.forEach((pane) => pane.follow(beat))
    this.housekeep(beat)
    this.publish(beat, waitingFor)
  }

  private beat(us: number): Beat {
    const { rate, playing } = this.clock
    const stepping = playing && (rate > STEP_ABOVE || this.slow)
    return { us, rate, running: playing && this.confirmed, stepping, paused: !playing }
  }

  private housekeep(beat: Beat): void {
    const now = performance.now()
    this.measure(now, beat)
    if (now - this.fetchedAtMs > FETCH_EVERY_MS) {
      this.fetchedAtMs = now
      this.fetchMore(beat)
    }
    if (now - this.trimmedAtMs > TRIM_EVERY_MS) {
      this.trimmedAtMs = now
      this.panes.forEach((pane) => pane.trim(beat.us, beat.rate))
    }
  }

  /** The pane with the least picture ahead goes first. */
  private fetchMore(beat: Beat): void {
    const demands = this.panes.flatMap((pane) => pane.demand(beat) ?? [])
    demands.sort((a, b) => a.aheadS - b.aheadS)
    for (const { load } of demands.slice(0, PARALLEL_FETCHES - this.fetches)) {
      this.fetches += 1
      void load().finally(() => (this.fetches -= 1))
    }
  }

  private restartMeter(): void {
    this.mark = { ms: performance.now(), us: this.clock.positionUs }
    this.view.actualRate = this.clock.rate
  }

  private measure(now: number, beat: Beat): void {
    if (!this.clock.playing || document.hidden) return this.restartMeter()
    if (now - this.mark.ms < SPEED_WINDOW_MS) return
    this.view.actualRate = (beat.us - this.mark.us) / 1000 / (now - this.mark.ms)
    this.mark = { ms: now, us: beat.us }
    const corrections = this.panes.reduce((sum, pane) => sum + pane.corrections.length, 0)
    if (beat.rate >= 2 && corrections >= TOO_MANY_CORRECTIONS) this.slow = true
  }

  private publish(beat: Beat, waitingFor: readonly string[]): void {
    const view = this.view
    view.positionUs = beat.us
    view.playing = this.clock.playing
    view.rate = beat.rate
    view.stepping = beat.stepping
    view.phase = this.phase(waitingFor)
    if (waitingFor.join() !== view.waitingFor.join()) view.waitingFor = waitingFor
  }

  private phase(waitingFor: readonly string[]): WallPhase {
    if (!this.clock.playing) return this.clock.ended ? 'ended' : 'paused'
    return waitingFor.length > 0 ? 'waiting' : 'playing'
  }

  /** A page that nobody sees gets no animation frames: its elements must not run away. */
  private readonly onVisibility = (): void => {
    if (!document.hidden) return
    this.confirmed = false
    const beat = this.beat(this.clock.positionUs)
    this.panes.forEach((pane) => pane.follow(beat))
  }
}
