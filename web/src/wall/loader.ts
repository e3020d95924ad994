/** Feeds one media element from several renditions by Media Source Extensions. */

import { getBytes, type RenditionIndex } from '@/api/client'
import { aheadUs, evictable, nextFetch, piecesOf, type Fetch, type Piece } from './fragments'

const RETRY_MS = [500, 1000, 2000, 5000]
/** After this many failures in a row the pane says so instead of waiting. */
const FAILURES_TO_TELL = 3
/** Cutting memory exactly at a key frame may take that frame with it. */
const REMOVE_MARGIN_S = 0.001

export function playable(indexes: readonly RenditionIndex[]): boolean {
  return 'MediaSource' in window && indexes.every((index) => MediaSource.isTypeSupported(index.mime))
}

export class MediaLoader {
  readonly pieces: readonly Piece[]
  /** Pieces that the browser holds. */
  readonly have = new Set<number>()
  private readonly media = new MediaSource()
  private readonly inits = new Map<number, ArrayBuffer>()
  private readonly url: string
  private buffer: SourceBuffer | null = null
  private rendition = -1
  private current: { fetch: Fetch; abort: AbortController } | null = null
  private work: Promise<void> = Promise.resolve()
  private failures = 0
  private retryAtMs = 0
  private closed = false

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly indexes: readonly RenditionIndex[],
    private readonly originUs: number,
    private readonly durationS: number,
  ) {
    this.pieces = piecesOf(indexes)
    this.url = URL.createObjectURL(this.media)
    this.media.addEventListener('sourceopen', () => this.open(), { once: true })
    video.src = this.url
  }

  get failing(): boolean {
    return this.failures >= FAILURES_TO_TELL
  }

  /** What this pane would fetch next for a play head at `us`; null while busy or while enough is there. */
  wanted(us: number, rate: number): Fetch | null {
    if (!this.buffer || this.current || performance.now() < this.retryAtMs) return null
    return nextFetch(this.pieces, this.have, us, rate)
  }

  /** Give up a fetch under way that a seek has made useless. */
  dropStale(us: number, rate: number): void {
    if (!this.current) return
    const { first, last } = this.current.fetch
    const stale = this.pieces[last]!.endUs <= us || this.pieces[first]!.startUs > us + aheadUs(rate)
    if (!stale) return
    this.current.abort.abort()
    this.current = null
  }

  async load(fetch: Fetch): Promise<void> {
    const mine = (this.current = { fetch, abort: new AbortController() })
    try {
      const init = await this.initOf(fetch.rendition, mine.abort.signal)
      const url = this.indexes[fetch.rendition]!.media_url
      const bytes = await getBytes(url, fetch.start, fetch.end, mine.abort.signal)
      await this.exclusive(() => this.append(fetch, init, bytes))
      this.failures = 0
    } catch {
      if (!mine.abort.signal.aborted) this.failed()
    }
    if (this.current === mine) this.current = null
  }

  /** Take out of memory what is far from the play head. */
  trim(us: number, rate: number): void {
    const pieces = evictable(this.pieces, this.have, us, rate)
    if (pieces.length > 0) void this.exclusive(() => this.remove(pieces)).catch(() => undefined)
  }

  close(): void {
    this.closed = true
    this.current?.abort.abort()
    this.video.removeAttribute('src')
    this.video.load()
    URL.revokeObjectURL(this.url)
  }

  private open(): void {
    if (this.closed) return
    this.media.duration = this.durationS
    this.buffer = this.media.addSourceBuffer(this.indexes[0]!.mime)
    this.buffer.mode = 'segments'
  }

  private failed(): void {
    this.retryAtMs = performance.now() + RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)]!
    this.failures += 1
  }

  private async initOf(rendition: number, signal: AbortSignal): Promise<ArrayBuffer> {
    const known = this.inits.get(rendition)
    if (known) return known
    const index = this.indexes[rendition]!
    const bytes = await getBytes(index.media_url, 0, index.init_size, signal)
    this.inits.set(rendition, bytes)
    return bytes
  }

  private async append(fetch: Fetch, init: ArrayBuffer, bytes: ArrayBuffer): Promise<void> {
    if (fetch.rendition !== this.rendition) await this.switchTo(fetch.rendition, init)
    try {
      await this.operate((buffer) => buffer.appendBuffer(bytes))
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'QuotaExceededError') throw error
      await this.remove(evictable(this.pieces, this.have, this.originUs + this.video.currentTime * 1e6 + 20e6, 0))
      await this.operate((buffer) => buffer.appendBuffer(bytes))
    }
    for (let i = fetch.first; i <= fetch.last; i += 1) this.have.add(i)
    this.endIfComplete()
  }

  private async switchTo(rendition: number, init: ArrayBuffer): Promise<void> {
    const index = this.indexes[rendition]!
    const before = this.indexes[this.rendition]
    if (before && before.mime !== index.mime) this.buffer!.changeType(index.mime)
    this.buffer!.timestampOffset = (index.wall_start_us - this.originUs) / 1e6
    await this.operate((buffer) => buffer.appendBuffer(init))
    this.rendition = rendition
  }

  private async remove(pieces: readonly number[]): Promise<void> {
    for (const i of pieces) {
      const { startUs, endUs } = this.pieces[i]!
      const start = Math.max(0, (startUs - this.originUs) / 1e6)
      this.have.delete(i)
      await this.operate((buffer) => buffer.remove(start, (endUs - this.originUs) / 1e6 - REMOVE_MARGIN_S))
    }
  }

  /** Without this the decoder would keep the last frames to itself, waiting for more. */
  private endIfComplete(): void {
    if (this.have.has(this.pieces.length - 1) && this.media.readyState === 'open') this.media.endOfStream()
  }

  private operate(start: (buffer: SourceBuffer) => void): Promise<void> {
    const buffer = this.buffer!
    return new Promise((resolve, reject) => {
      const done = (event: Event): void => {
        buffer.removeEventListener('updateend', done)
        buffer.removeEventListener('error', done)
        if (event.type === 'error') reject(new Error('the browser refused a fragment'))
        else resolve()
      }
      buffer.addEventListener('updateend', done)
      buffer.addEventListener('error', done)
      try {
        start(buffer)
      } catch (error) {
        buffer.removeEventListener('updateend', done)
        buffer.removeEventListener('error', done)
        reject(error as Error)
      }
    })
  }

  /** A source buffer does one thing at a time. */
  private exclusive(job: () => Promise<void>): Promise<void> {
    const result = this.work.then(() => (this.closed ? undefined : job()))
    this.work = result.catch(() => undefined)
    return result
  }
}
