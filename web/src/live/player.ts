/** One media element that shows what comes, as near to now as the line allows. */

import type { Frame } from './frame'
import { Margin, wallAt, type Piece } from './steer'

const KEPT_S = 12
const TELLS_FRAMES = 'requestVideoFrameCallback' in HTMLVideoElement.prototype
const FIRST_MARGIN_S = 0.08
const BEHIND_S = 2.5 // a page that was out of sight for a while

type Step = { mime: string } | { data: Uint8Array<ArrayBuffer>; offsetS: number | null }

export class LivePlayer {
  /** Wall time of the picture on the screen, UTC microseconds; null while there is none. */
  frameUs: number | null = null
  /** Neither the codec nor the file can be played here. */
  unplayable = false
  /** Pictures that were shown, since the beginning. */
  shown = 0
  private source: MediaSource | null = null
  private buffer: SourceBuffer | null = null
  private readonly steps: Step[] = []
  private pieces: Piece[] = []
  private mime = ''
  private init: Uint8Array<ArrayBuffer> | null = null
  private offsetS: number | null = null
  private endS = 0
  private margin = new Margin()
  private opened = false
  private started = false
  private closed = false
  private url = ''

  constructor(readonly media: HTMLMediaElement) {
    media.addEventListener('waiting', this.onWaiting)
    media.addEventListener('error', this.onError)
    if (TELLS_FRAMES && media instanceof HTMLVideoElement) this.watchFrames(media)
  }

  /** A format, before its init segment. */
  begin(mime: string): void {
    this.unplayable = mime === '' || !MediaSource.isTypeSupported(mime)
    if (this.unplayable) return
    if (this.source === null) this.open()
    if (mime !== this.mime) this.steps.push({ mime })
    this.mime = mime
  }

  take(frame: Frame): void {
    if (this.unplayable || this.source === null) return
    if (frame.kind === 'init') {
      this.init = frame.data
      this.steps.push({ data: frame.data, offsetS: null })
      this.offsetS = null
    } else {
      this.add(frame)
    }
    this.work()
  }

  /** Where the fragment lies on the element's time line: runs follow each other without a hole. */
  private add(frame: Frame): void {
    const mediaS = frame.mediaUs / 1e6
    this.offsetS ??= this.endS - mediaS
    const startS = mediaS + this.offsetS
    const endS = startS + frame.lengthUs / 1e6
    this.pieces.push({ startS, endS, wallUs: frame.wallUs })
    this.endS = Math.max(this.endS, endS)
    this.steps.push({ data: frame.data, offsetS: this.offsetS })
    this.note()
  }

  /** Near now; call it some times a second. `towardsUs`: the wall time that another element shows. */
  tick(towardsUs: number | null = null): void {
    this.work()
    const range = this.newest()
    if (range === null || this.media.readyState === 0) return
    if (!this.started) return this.start(range)
    if (this.media.paused) void this.media.play().catch(() => undefined)
    const at = this.media.currentTime
    if (at < range.start - 0.02 || at > range.end + 0.3 || range.end - at > BEHIND_S || this.margin.shouldJump) this.jump(range)
    this.note()
    if (towardsUs === null) this.setRate(this.margin.rate)
    else this.follow(towardsUs, range)
    this.forgetOld(at)
  }

  /** Wall time of what is played now. */
  nowUs(): number | null {
    return this.started ? wallAt(this.pieces, this.media.currentTime) : null
  }

  close(): void {
    this.closed = true
    this.media.removeEventListener('waiting', this.onWaiting)
    this.media.removeEventListener('error', this.onError)
    this.reset()
  }

  /** Another source follows. */
  reset(): void {
    if (this.url) URL.revokeObjectURL(this.url)
    this.source = this.buffer = this.init = this.offsetS = this.frameUs = null
    this.url = this.mime = ''
    this.steps.length = this.pieces.length = 0
    this.endS = 0
    this.opened = this.started = this.unplayable = false
    this.margin = new Margin()
    this.media.removeAttribute('src')
    this.media.load()
  }

  private open(): void {
    const source = new MediaSource()
    this.source = source
    this.url = URL.createObjectURL(source)
    this.media.src = this.url
    source.addEventListener('sourceopen', () => {
      if (this.source !== source) return
      source.duration = Infinity // live: an element then shows what it has without waiting for more
      this.opened = true
      this.work()
    })
  }

  private work(): void {
    const source = this.source
    if (source === null || !this.opened || source.readyState !== 'open' || this.buffer?.updating) return
    const step = this.steps.shift()
    if (step === undefined) return
    try {
      this.carryOut(step, source)
    } catch (error) {
      if (error instanceof DOMException && error.name === 'QuotaExceededError') this.steps.unshift(step)
      else this.startAnew()
    }
  }

  private carryOut(step: Step, source: MediaSource): void {
    if ('mime' in step) {
      if (this.buffer === null) {
        this.buffer = source.addSourceBuffer(step.mime)
        this.buffer.addEventListener('updateend', () => this.work())
      } else {
        this.buffer.changeType(step.mime)
      }
      return this.work()
    }
    if (step.offsetS !== null && this.buffer!.timestampOffset !== step.offsetS) this.buffer!.timestampOffset = step.offsetS
    this.buffer!.appendBuffer(step.data)
  }

  /** After something that the element could not stomach: the same format again, from the next key frame on. */
  private startAnew(): void {
    const { mime, init } = this
    this.reset()
    if (mime === '' || init === null || this.closed) return
    this.begin(mime)
    this.init = init
    this.steps.push({ data: init, offsetS: null })
  }

  private newest(): { start: number; end: number } | null {
    const buffered = this.buffer && this.source?.readyState === 'open' ? this.buffer.buffered : null
    if (!buffered || buffered.length === 0) return null
    return { start: buffered.start(buffered.length - 1), end: buffered.end(buffered.length - 1) }
  }

  private start(range: { start: number; end: number }): void {
    this.started = true
    this.jump(range)
    void this.media.play().catch(() => undefined)
  }

  private jump(range: { start: number; end: number }): void {
    this.media.currentTime = Math.max(range.start, range.end - Math.max(FIRST_MARGIN_S, this.margin.keptS))
    this.margin.forget()
  }

  private note(): void {
    const range = this.newest()
    if (range === null || !this.started || this.media.seeking) return
    this.margin.note(performance.now(), range.end - this.media.currentTime)
  }

  private follow(towardsUs: number, range: { start: number; end: number }): void {
    const own = this.nowUs()
    if (own === null) return
    const behindS = (towardsUs - own) / 1e6
    const target = this.media.currentTime + behindS
    if (Math.abs(behindS) > 0.4 && target >= range.start && target < range.end) this.media.currentTime = target
    this.setRate(behindS > 0.05 ? 1.05 : behindS < -0.05 ? 0.95 : 1)
  }

  private setRate(rate: number): void {
    if (Math.abs(this.media.playbackRate - rate) > 0.005) this.media.playbackRate = rate
  }

  private forgetOld(at: number): void {
    while (this.pieces.length > 2 && this.pieces[1]!.endS < at - KEPT_S) this.pieces.shift()
    const buffer = this.buffer
    if (!buffer || buffer.updating || this.steps.length > 0 || buffer.buffered.length === 0) return
    if (buffer.buffered.start(0) < at - 2 * KEPT_S) buffer.remove(0, at - KEPT_S)
  }

  private readonly onWaiting = (): void => {
    if (this.started && !this.media.seeking) this.margin.ranDry(performance.now())
  }

  private readonly onError = (): void => {
    if (this.source !== null && this.media.error) this.startAnew()
  }

  private watchFrames(video: HTMLVideoElement): void {
    const seen: VideoFrameRequestCallback = (_now, frame) => {
      if (this.closed) return
      this.frameUs = wallAt(this.pieces, frame.mediaTime)
      this.shown += 1
      video.requestVideoFrameCallback(seen)
    }
    video.requestVideoFrameCallback(seen)
  }
}
