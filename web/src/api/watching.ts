/**
 * Watching is on record (invariant 14): opened before the first byte is fetched, told every ten seconds with what
 * was on the screen, closed when the page is left.
 */

import { ref, type Ref } from 'vue'
import { api, ApiError, watched, type Shown, type Watch } from './client'

const BEAT_MS = 10_000
/** The picture of a source goes on if the next one that is noted is no further than this, in the viewer's seconds. */
const GOES_ON_S = 3

/** What was shown, source by source, in stretches. Pure. */
export class ShownStretches {
  private readonly stretches = new Map<string, Shown[]>()

  /** The picture of a moment is on the screen, at so many times real time; 0: it stands still. */
  note(sourceId: string, us: number, rate: number): void {
    const own = this.stretches.get(sourceId) ?? []
    this.stretches.set(sourceId, own)
    const last = own.at(-1)
    const goesOn = last && last.rate === rate && us >= last.to_us && us - last.to_us <= GOES_ON_S * Math.max(1, rate) * 1e6
    if (goesOn) last.to_us = us
    else own.push({ source_id: sourceId, from_us: us, to_us: us, rate })
  }

  /** All since the last time; what goes on begins where it was. */
  take(): Shown[] {
    const taken = [...this.stretches.values()].flat()
    this.stretches.clear()
    for (const { source_id, to_us, rate } of taken) this.stretches.set(source_id, [{ source_id, from_us: to_us, to_us, rate }])
    return taken.filter((one) => one.to_us > one.from_us || one.rate === 0 || !this.goesOn(one))
  }

  private goesOn(one: Shown): boolean {
    const kept = this.stretches.get(one.source_id)?.[0]
    return kept?.from_us === one.to_us && kept.rate === one.rate
  }
}

/** A watch of a session that is replayed: of all its clips that the viewer may see. */
export class ReplayWatch {
  /** Why no more footage is sent: leave was withdrawn, or the server cannot be reached. */
  readonly error: Ref<ApiError | null> = ref(null)
  private readonly shown = new ShownStretches()
  private readonly timer: ReturnType<typeof setInterval>
  private closed = false
  private telling = false

  private constructor(
    private watch: Watch,
    private readonly sessionId: string,
  ) {
    this.timer = setInterval(() => void this.tell(), BEAT_MS)
    window.addEventListener('pagehide', this.close)
    document.addEventListener('visibilitychange', this.onVisible)
  }

  /** Raises: ApiError, if it is not allowed. */
  static async open(sessionId: string): Promise<ReplayWatch> {
    return new ReplayWatch(await openOf(sessionId), sessionId)
  }

  /** Whether a clip may be seen. */
  holds(clipId: string): boolean {
    return this.watch.things.some((one) => one.clip_id === clipId)
  }

  /** What of the session may not be seen, and why not. */
  get leftOut(): Watch['left_out'] {
    return this.watch.left_out
  }

  /** Footage of this time may be seen: of all times, but for who has leave for some of it. */
  get window(): { startUs: number; endUs: number } {
    return { startUs: this.watch.start_us ?? -Infinity, endUs: this.watch.end_us ?? Infinity }
  }

  get token(): string {
    return this.watch.token
  }

  /** The address of footage with what lets this page have it. */
  urlOf(mediaUrl: string): string {
    return watched(mediaUrl, this.token)
  }

  note(sourceId: string, us: number, rate: number): void {
    this.shown.note(sourceId, Math.round(us), rate)
  }

  /** Before a still picture is made. Raises: ApiError; then none is made. */
  async recordStill(sourceId: string, us: number): Promise<void> {
    await api.recordStill(this.watch.watch_id, sourceId, Math.round(us))
  }

  readonly close = (): void => {
    if (this.closed) return
    this.closed = true
    clearInterval(this.timer)
    window.removeEventListener('pagehide', this.close)
    document.removeEventListener('visibilitychange', this.onVisible)
    api.closeWatch(this.watch.watch_id, this.shown.take())
  }

  private async tell(): Promise<void> {
    if (this.telling || this.closed) return
    this.telling = true
    const shown = this.shown.take()
    try {
      await api.beatWatch(this.watch.watch_id, shown)
      this.error.value = null
    } catch (reason) {
      await this.openAnew(reason)
    }
    this.telling = false
  }

  /** A page that was asleep for long is not watching any more: it opens another watch, if it still may. */
  private async openAnew(reason: unknown): Promise<void> {
    if (!(reason instanceof ApiError)) throw reason
    if (reason.status !== 403) return void (this.error.value = reason)
    try {
      this.watch = await openOf(this.sessionId)
      this.error.value = null
    } catch (again) {
      this.error.value = again instanceof ApiError ? again : reason
    }
  }

  private readonly onVisible = (): void => {
    if (!document.hidden) void this.tell()
  }
}

function openOf(sessionId: string): Promise<Watch> {
  return api.openWatch({ kind: 'replay', session_id: sessionId, source_ids: [], clip_ids: [] })
}
