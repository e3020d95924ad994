/** Feeds one media element from several renditions by Media Source Extensions. */

import { getBytes, type RenditionIndex } from '@/api/client'
import { aheadUs, evictable, layoutOf, nextFetch, piecesOf, stretchAt, type Fetch, type Piece, type Stretch } from './fragments'

const RETRY_MS = [500, 1000, 2000, 5000]
/** After this many failures in a row the pane says so instead of waiting. */
const FAILURES_TO_TELL = 3
/** Cutting memory exactly at a key frame may take that frame with it. */
const REMOVE_MARGIN_S = 0.001

export function playable(indexes: readonly RenditionIndex[]): boolean {
  return 'MediaSource' in window && indexes.every((index) => MediaSource.isTypeSupported(index.mime))
}

/** The init range, where the index has it. */
export function initIn(index: RenditionIndex): ArrayBuffer | null {
  return index.init ? Uint8Array.from(atob(index.init), (letter) => letter.charCodeAt(0)).buffer : null
}

/** What was fetched, before the browser gets it. */
export type Received = (fetch: Fetch, init: ArrayBuffer, bytes: ArrayBuffer) => void

export class MediaLoader {
  readonly pieces: readonly Piece[]
  /** Pieces that the browser holds. */
  readonly have = new Set<number>()
  private readonly layouts: readonly number[]
  private stretch: Stretch
  private media = new MediaSource()
  private readonly inits = new Map<number, ArrayBuffer>()
  private url = ''
  private opened: Promise<void> = Promise.resolve()
  private buffer: SourceBuffer | null = null
  private rendition = -1
  private current: { fetch: Fetch; abort: AbortController; urgent: boolean; done: Promise<void> } | null = null
  private work: Promise<void> = Promise.resolve()
  private failures = 0
  private retryAtMs = 0
  private closed = false
  private readonly life = new AbortController()

  constructor(
    private readonly video: HTMLVideoElement,
    private readonly indexes: readonly RenditionIndex[],
    private readonly originUs: number,
    private readonly durationS: number,
    private readonly mediaUrl: (index: RenditionIndex) => string,
    private readonly received: Received = () => undefined,
  ) {
    this.pieces = piecesOf(indexes)
    this.layouts = indexes.map(layoutOf)
    this.stretch = stretchAt(this.pieces, this.layouts, -Infinity)
    this.attach()
  }

  /**
   * A media source has the tracks of its first file for good. Where the play head comes to files with other tracks
   * it is built anew. Returns whether it was.
   */
  turnTo(us: number): boolean {
    const stretch = stretchAt(this.pieces, this.layouts, us)
    if (stretch.first === this.stretch.first) return false
    this.stretch = stretch
    this.current?.abort.abort()
    this.current = null
    this.have.clear()
    this.rendition = -1
    this.buffer = null
    this.work = Promise.resolve()
    URL.revokeObjectURL(this.url)
    this.attach()
    return true
  }

  private attach(): void {
    const media = (this.media = new MediaSource())
    this.url = URL.createObjectURL(media)
    this.opened = new Promise((done) => {
      media.addEventListener('sourceopen', () => done(this.open(media)), { once: true })
    })
    this.video.src = this.url
  }

  /** After a failure, for a while. */
  get waits(): boolean {
    return performance.now() < this.retryAtMs
  }

  get failing(): boolean {
    return this.failures >= FAILURES_TO_TELL
  }

  /** What this pane would fetch next for a play head at `us`; null while busy or while enough is there. */
  wanted(us: number, rate: number): Fetch | null {
    if (!this.buffer || this.current || this.waits) return null
    return nextFetch(this.pieces, this.have, us, rate, this.stretch.last + 1)
  }

  /** Fetch one piece before all others: its picture is waited for. Ends when that was done, or failed. */
  async bring(piece: number): Promise<void> {
    const { rendition, offset, size } = this.pieces[piece]!
    await this.opened
    const current = this.current
    if (current && current.fetch.first <= piece && piece <= current.fetch.last) return await current.done
    const fetch = { first: piece, last: piece, rendition, start: offset, end: offset + size }
    if (!this.buffer || this.have.has(piece) || !this.inStretch(piece)) return await this.loadPictures(fetch)
    current?.abort.abort()
    await this.load(fetch, true)
  }

  /** Fetch for the pictures alone. */
  async loadPictures(fetch: Fetch): Promise<void> {
    try {
      const { init, bytes } = await this.fetched(fetch, this.life.signal)
      this.received(fetch, init, bytes)
      this.failures = 0
    } catch {
      if (!this.closed) this.failed()
    }
  }

  private inStretch(piece: number): boolean {
    return piece >= this.stretch.first && piece <= this.stretch.last
  }

  private async fetched(fetch: Fetch, signal: AbortSignal): Promise<{ init: ArrayBuffer; bytes: ArrayBuffer }> {
    const url = this.mediaUrl(this.indexes[fetch.rendition]!)
    const both = [this.initOf(fetch.rendition, signal), getBytes(url, fetch.start, fetch.end, signal)] as const
    const [init, bytes] = await Promise.all(both)
    return { init, bytes }
  }

  /** Give up a fetch under way that a seek has made useless. */
  dropStale(us: number, rate: number): void {
    if (!this.current || this.current.urgent) return
    const { first, last } = this.current.fetch
    const stale = this.pieces[last]!.endUs <= us || this.pieces[first]!.startUs > us + aheadUs(rate)
    if (!stale) return
    this.current.abort.abort()
    this.current = null
  }

  load(fetch: Fetch, urgent = false): Promise<void> {
    const abort = new AbortController()
    const done = this.loadInto(fetch, abort.signal).then(() => {
      if (this.current?.abort === abort) this.current = null
    })
    this.current = { fetch, abort, urgent, done }
    return done
  }

  private async loadInto(fetch: Fetch, signal: AbortSignal): Promise<void> {
    try {
      const { init, bytes } = await this.fetched(fetch, signal)
      this.received(fetch, init, bytes)
      if (signal.aborted) return
      await this.exclusive(() => this.append(fetch, init, bytes))
      this.failures = 0
    } catch {
      if (!signal.aborted) this.failed()
    }
  }

  /** Take out of memory what is far from the play head. */
  trim(us: number, rate: number): void {
    const pieces = evictable(this.pieces, this.have, us, rate)
    if (pieces.length > 0) void this.exclusive(() => this.remove(pieces)).catch(() => undefined)
  }

  close(): void {
    this.closed = true
    this.life.abort()
    this.current?.abort.abort()
    this.video.removeAttribute('src')
    this.video.load()
    URL.revokeObjectURL(this.url)
  }

  private open(media: MediaSource): void {
    if (this.closed || media !== this.media) return
    media.duration = this.durationS
    this.buffer = media.addSourceBuffer(this.indexes[this.pieces[this.stretch.first]!.rendition]!.mime)
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
    const bytes = initIn(index) ?? (await getBytes(this.mediaUrl(index), 0, index.init_size, signal))
    this.inits.set(rendition, bytes)
    return bytes
  }

  private async append(fetch: Fetch, init: ArrayBuffer, bytes: ArrayBuffer): Promise<void> {
    const media = this.media
    if (fetch.rendition !== this.rendition) await this.switchTo(fetch.rendition, init)
    try {
      await this.operate((buffer) => buffer.appendBuffer(bytes))
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== 'QuotaExceededError') throw error
      await this.remove(evictable(this.pieces, this.have, this.originUs + this.video.currentTime * 1e6 + 20e6, 0))
      await this.operate((buffer) => buffer.appendBuffer(bytes))
    }
    if (media !== this.media) return
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
    if (this.have.has(this.stretch.last) && this.media.readyState === 'open') this.media.endOfStream()
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
    const media = this.media
    const result = this.work.then(() => (this.closed || media !== this.media ? undefined : job()))
    this.work = result.catch(() => undefined)
    return result
  }
}
