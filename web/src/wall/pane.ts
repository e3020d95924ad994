/** One source on the wall: brings its media element to the master clock and says what there is to see. */

import { shallowReactive } from 'vue'
import type { Clip, RenditionIndex, Source } from '@/api/client'
import type { ClockRange } from './clock'
import { bufferedUntil, keyIntervalUs, pieceAt, piecesOf, stepTarget, type Fetch, type Piece } from './fragments'
import { MediaLoader, playable } from './loader'
import { Pictures, type Shown } from './pictures'
import { HOLE_US, nextMedia, spanAt, spansOf, type Span } from './spans'
import { CLOSE_S, steer } from './steer'
import { Thumbnails, type Thumbnail } from './thumbnails'

/** `playing`: the picture belongs to the clock's time, moving or paused. Every other state shows no picture. */
export type PaneState = 'playing' | 'gap' | 'buffering' | 'unplayable'
export type Trouble = 'codec' | 'network' | 'stuck'

export interface PaneView {
  state: PaneState
  span: Span | undefined
  /** The picture is of another time or of none: it must not be seen. */
  hidden: boolean
  trouble: Trouble | null
  audible: boolean
  /** A picture that was decoded by itself lies over the media element. */
  overlaid: boolean
}

/** What the wall is doing while panes follow. */
export interface Beat {
  us: number
  rate: number
  running: boolean
  stepping: boolean
  /** Nobody wants it to run: panes show the clock's picture exactly. */
  paused: boolean
}

/** A picture this far from the clock is hidden until the right one is there. */
const FOREIGN_S = 1
/** Enough ahead to go on, and enough to start again after waiting, in the viewer's seconds. */
const ENOUGH_S = 0.1
const RESUME_S = 0.8
/** An element that has its data and does not show it for so long is helped, then given up. */
const HELP_MS = 1200
/** Sooner where the element says that it is done and only the picture has not come. */
const REPAINT_MS = 300
const GIVE_UP_MS = 7000
/** Whether the browser says which frame it presented. */
const TELLS_FRAMES = 'HTMLVideoElement' in globalThis && 'requestVideoFrameCallback' in HTMLVideoElement.prototype
/** Inside a span by this much, so that rounding never leaves it. */
const INSIDE_S = 0.002
const LAST_FRAME_S = 0.02
/** Real time between deciding that a picture is close enough and its being on screen. */
const STEP_SLACK_S = 0.03
/** Where nothing moves, the media element stands this exactly, and this much behind a picture's first moment. */
const EXACT_S = 0.001
const INTO_PICTURE_S = 0.0005
/** A picture laid over the media element belongs to the clock's time within this. */
const OVERLAY_US = 300_000
/** What an index in milliseconds and a picture's own time may differ by. */
const KEY_SLACK_US = 50_000

export class PanePlayer {
  readonly view: PaneView
  readonly spans: readonly Span[]
  /** Its fragments, in order of time. */
  readonly pieces: readonly Piece[]
  readonly hasAudio: boolean
  /** Hidden panes follow as well as they can, and nobody waits for them. */
  visible = true
  /** Wall time of the frame that the compositor got last. */
  frameUs: number | null = null
  /** Times that the element had to be sought because it had drifted too far, in `performance.now()`. */
  readonly corrections: number[] = []
  private readonly indexes: readonly RenditionIndex[]
  private video: HTMLVideoElement | null = null
  private canvas: HTMLCanvasElement | null = null
  private pictures: Pictures | null = null
  /** Wall time of the picture laid over the media element, and of the clock when it was asked for. */
  private overlay: { us: number; askedUs: number } | null = null
  private loader: MediaLoader | null = null
  private shownS: number | null = null
  private soughtS: number | null = null
  private soughtAtMs = 0
  private latencyS = 0.06
  private stuckSinceMs: number | null = null
  private helps = 0
  private fetching = false
  private thumbnails: Thumbnails | null = null
  private lookedFor: number | null = null

  constructor(
    readonly source: Source,
    readonly clips: readonly Clip[],
    indexes: ReadonlyMap<string, RenditionIndex>,
    private readonly range: ClockRange,
    private readonly mediaUrl: (index: RenditionIndex) => string = (index) => index.media_url,
  ) {
    this.spans = spansOf(clips, indexes, range)
    this.indexes = clips.flatMap((clip) => indexes.get(clip.rendition_id ?? '') ?? [])
    this.pieces = piecesOf(this.indexes)
    this.hasAudio = clips.some((clip) => clip.audio_codec !== null)
    const codec = this.indexes.length > 0 && !playable(this.indexes)
    this.view = shallowReactive<PaneView>({
      state: codec ? 'unplayable' : 'buffering',
      span: this.spans[0],
      hidden: true,
      trouble: codec ? 'codec' : null,
      audible: false,
      overlaid: false,
    })
  }

  attach(video: HTMLVideoElement, canvas: HTMLCanvasElement): void {
    this.video = video
    this.canvas = canvas
    video.muted = true
    video.addEventListener('volumechange', () => (this.view.audible = !video.muted))
    video.addEventListener('seeked', () => this.seeked())
    if (this.view.trouble === 'codec' || this.indexes.length === 0) return
    const durationS = (this.range.endUs - this.range.startUs) / 1e6
    this.loader = new MediaLoader(video, this.indexes, this.range.startUs, durationS, this.mediaUrl, (fetch, init, bytes) =>
      this.pictures?.keep(fetch, init, bytes),
    )
    this.watchFrames(video)
    this.pictures = new Pictures(this.indexes, this.pieces)
    void this.tryPictures(this.pictures)
  }

  private async tryPictures(pictures: Pictures): Promise<void> {
    if (!(await pictures.possible())) this.pictures = null
    else if (this.lookedFor !== null) await this.look(this.lookedFor)
  }

  detach(): void {
    this.pictures?.close()
    this.pictures = null
    this.loader?.close()
    this.loader = null
    this.video = null
  }

  setSound(on: boolean): void {
    if (this.video) this.video.muted = !on
  }

  /** Wall time of the picture that can be seen, null where none can. */
  get shownUs(): number | null {
    if (this.view.state !== 'playing') return null
    return this.overlay?.us ?? this.frameUs
  }

  /** What is seen now, to be drawn elsewhere. */
  get picture(): HTMLVideoElement | HTMLCanvasElement | null {
    if (this.view.state !== 'playing') return null
    return this.overlay ? this.canvas : this.video
  }

  /** Show the picture of a moment as soon as it can be had; the media element follows when it can. */
  async look(us: number): Promise<void> {
    this.lookedFor = us
    const span = spanAt(this.spans, us)
    if (!this.pictures?.usable || !this.loader || !this.visible || span?.kind !== 'media') return
    const shown = await this.pictures.at(us, this.bring)
    if (shown) this.lay(shown, us)
  }

  /** Wall time of the first picture behind a moment, or of the last before it; null where it cannot be said. */
  async neighbour(us: number, direction: 1 | -1): Promise<number | null> {
    if (!this.pictures?.usable) return null
    return await this.pictures.neighbour(us, direction, this.bring)
  }

  private readonly bring = async (piece: number): Promise<void> => {
    await this.loader?.bring(piece)
  }

  private lay({ us, frame }: Shown, askedUs: number): void {
    const canvas = this.canvas
    if (canvas && (canvas.width !== frame.displayWidth || canvas.height !== frame.displayHeight)) {
      canvas.width = frame.displayWidth
      canvas.height = frame.displayHeight
    }
    canvas?.getContext('2d')?.drawImage(frame, 0, 0, canvas.width, canvas.height)
    frame.close()
    this.overlay = { us, askedUs }
    this.view.overlaid = true
  }

  private uncover(): void {
    this.overlay = null
    this.view.overlaid = false
  }

  /** Wall time that the media element is at, null where it has nothing to show. */
  get currentUs(): number | null {
    if (!this.video || this.view.state !== 'playing') return null
    if (this.overlay) return this.overlay.us
    return this.range.startUs + Math.round(this.video.currentTime * 1e6)
  }

  /** A small picture of a moment; null where there is none. */
  thumbnail(us: number): Promise<Thumbnail | null> {
    this.thumbnails ??= new Thumbnails(this.indexes, this.pieces, this.mediaUrl)
    return this.thumbnails.at(us)
  }

  /** Seconds of picture ahead of the clock, and what to fetch to have more. */
  demand({ us, rate, stepping }: Beat): { aheadS: number; load: () => Promise<void> } | null {
    const loader = this.loader
    if (!loader) return null
    const pictures = stepping && this.pictures?.usable ? this.pictures : null
    loader.dropStale(us, rate)
    const fetch = pictures ? this.pictureFetch(pictures, us, rate) : loader.wanted(us, rate)
    if (!fetch) return null
    const aheadS = Math.max(0, (loader.pieces[fetch.first]!.startUs - us) / 1e6) / rate
    return { aheadS, load: () => (pictures ? this.fetchPictures(fetch) : loader.load(fetch)) }
  }

  private pictureFetch(pictures: Pictures, us: number, rate: number): Fetch | null {
    return this.fetching || this.loader!.waits ? null : pictures.wanted(us, rate)
  }

  private async fetchPictures(fetch: Fetch): Promise<void> {
    this.fetching = true
    await this.loader?.loadPictures(fetch)
    this.fetching = false
  }

  trim(us: number, rate: number): void {
    this.loader?.trim(us, rate)
    this.pictures?.trim(us, rate)
  }

  /** Whether the clock may move as far as this pane is concerned. */
  confirms(beat: Beat): boolean {
    const span = spanAt(this.spans, beat.us)
    if (!span || span.kind !== 'media' || this.view.trouble) return true
    if (!this.loader || !this.video) return false
    if (this.stepsPictures(beat)) return this.pictures!.keepsUp(beat.us, beat.rate)
    return this.hasData(span, beat) && this.isShowing(span, beat)
  }

  private stepsPictures(beat: Beat): boolean {
    return beat.stepping && (this.pictures?.usable ?? false)
  }

  follow(beat: Beat): void {
    const span = spanAt(this.spans, beat.us)
    if (this.view.span !== span) this.entered(span)
    if (!beat.stepping) this.pictures?.stopRun()
    if (this.loader?.turnTo(beat.us)) this.forget()
    if (this.view.trouble === 'codec') return
    if (!span || span.kind !== 'media') this.rest(beat, span)
    else if (this.video && this.loader) this.showMedia(span, beat)
  }

  /** The media element begins anew. */
  private forget(): void {
    this.frameUs = null
    this.shownS = null
    this.soughtS = null
  }

  /** The viewer asks anew: an element given up gets another chance. */
  retry(): void {
    this.stuckSinceMs = null
    this.helps = 0
    if (this.view.trouble === 'stuck') this.view.trouble = null
  }

  private entered(span: Span | undefined): void {
    this.view.span = span
    this.retry()
  }

  /** Nothing to see: no picture, and the element waits where the picture goes on. */
  private rest(beat: Beat, span: Span | undefined): void {
    this.show('gap', true)
    this.uncover()
    const video = this.video
    if (!video || !this.loader) return
    if (!video.paused) video.pause()
    const next = nextMedia(this.spans, span?.endUs ?? beat.us)
    if (!next || next.startUs - beat.us > 20e6 * Math.max(1, beat.rate)) return
    const target = this.inside(next, next.startUs)
    if (!video.seeking && Math.abs(video.currentTime - target) > CLOSE_S) this.seek(video, target)
  }

  private showMedia(span: Span, beat: Beat): void {
    const video = this.video!
    if (this.stepsPictures(beat)) return this.stepPictures(video, beat)
    if (beat.stepping) this.step(video, span, beat)
    else this.glide(video, this.inside(span, beat.us), beat)
    this.watch(video, span, beat)
    this.publish(video, beat)
  }

  /** Normal playing: the element runs by itself and is steered. */
  private glide(video: HTMLVideoElement, target: number, beat: Beat): void {
    const ahead = video.currentTime - target
    if (!beat.running) {
      if (!video.paused) video.pause()
      const exact = beat.paused ? target + INTO_PICTURE_S : target
      const far = Math.abs(video.currentTime - exact) > (beat.paused ? EXACT_S : CLOSE_S)
      if (far && this.maySeek(video, exact)) this.seek(video, exact)
      return
    }
    if (video.seeking) return
    const order = steer(ahead, beat.rate)
    if (order.seek) return this.correct(video, target)
    if (Math.abs(video.playbackRate - order.playbackRate) > 0.004) video.playbackRate = order.playbackRate
    if (video.paused) void video.play().catch(() => undefined)
  }

  /** Fast forward: one picture after another is decoded by itself; the element waits. */
  private stepPictures(video: HTMLVideoElement, beat: Beat): void {
    if (!video.paused) video.pause()
    const shown = this.pictures!.advance(beat.us, beat.rate)
    if (shown) this.lay(shown, beat.us)
    this.stuckSinceMs = null
    const hidden = this.isForeign(beat, this.pictureUs())
    this.show(hidden ? 'buffering' : 'playing', hidden)
  }

  /** The same without single pictures: the element stands still on one key frame after another. */
  private step(video: HTMLVideoElement, span: Span, beat: Beat): void {
    if (!video.paused) video.pause()
    if (video.seeking) return
    const { pieces, have } = this.loader!
    const i = Math.max(0, stepTarget(pieces, beat, span.endUs, this.latencyS))
    if (!have.has(i)) return
    const target = this.inside(span, pieces[i]!.startUs)
    if (Math.abs(video.currentTime - target) > CLOSE_S) this.seek(video, target)
  }

  private correct(video: HTMLVideoElement, target: number): void {
    const now = performance.now()
    this.corrections.push(now)
    while (this.corrections.length > 0 && this.corrections[0]! < now - 6000) this.corrections.shift()
    video.pause()
    this.seek(video, target)
  }

  private maySeek(video: HTMLVideoElement, target: number): boolean {
    if (this.helps > 0 && this.soughtS !== null && Math.abs(this.soughtS - target) < FOREIGN_S) return false
    if (!video.seeking) return true
    const moved = Math.abs((this.soughtS ?? -1) - target) > CLOSE_S
    return moved && performance.now() - this.soughtAtMs > 150
  }

  private seek(video: HTMLVideoElement, target: number): void {
    if (!video.seeking && this.shownS === null && video.readyState >= 2) this.shownS = video.currentTime
    this.soughtS = target
    this.soughtAtMs = performance.now()
    video.currentTime = target
  }

  private seeked(): void {
    const tookS = (performance.now() - this.soughtAtMs) / 1000
    if (tookS < 1) this.latencyS += 0.2 * (tookS - this.latencyS)
    this.shownS = this.video?.currentTime ?? null
  }

  /** Media seconds of `us`, kept off the borders of its span. */
  private inside(span: Span, us: number): number {
    const origin = this.range.startUs
    const first = (span.startUs - origin) / 1e6 + INSIDE_S
    const last = (span.endUs - origin) / 1e6 - LAST_FRAME_S
    return Math.max(first, Math.min(last, (us - origin) / 1e6))
  }

  private hasData(span: Span, beat: Beat): boolean {
    const { pieces, have } = this.loader!
    const enough = (beat.running ? ENOUGH_S : RESUME_S) * Math.max(1, beat.rate)
    const until = Math.min(beat.us + enough * 1e6, span.endUs - HOLE_US, (pieces.at(-1)?.endUs ?? 0) - HOLE_US)
    return beat.us >= until || bufferedUntil(pieces, have, beat.us) >= until
  }

  private isShowing(span: Span, beat: Beat): boolean {
    const video = this.video!
    if (beat.stepping) return this.stepIsClose(beat)
    if (video.seeking || video.readyState < 2 || this.isForeign(beat, this.elementUs())) return false
    return Math.abs(video.currentTime - this.inside(span, beat.us)) < FOREIGN_S * Math.max(1, beat.rate)
  }

  /** Within one key frame of the clock: the last key frame before it always is, also where none comes after. */
  private stepIsClose(beat: Beat): boolean {
    const shownUs = this.pictureUs()
    if (shownUs === null) return false
    const { pieces } = this.loader!
    const intervalUs = keyIntervalUs(pieces, beat.us)
    const keyUs = pieces[Math.max(0, pieceAt(pieces, beat.us))]!.startUs
    if (shownUs >= keyUs - KEY_SLACK_US && shownUs <= beat.us + intervalUs) return true
    return Math.abs(shownUs - beat.us) <= intervalUs - STEP_SLACK_S * beat.rate * 1e6
  }

  /**
   * Wall time of the picture that can be seen. A seek that is done by the element's word may not be on screen yet
   * (or, for an element that was out of sight, not at all): the compositor's word counts where the browser gives it.
   */
  private pictureUs(): number | null {
    return this.overlay?.us ?? this.elementUs()
  }

  private elementUs(): number | null {
    const video = this.video!
    if (TELLS_FRAMES) return this.frameUs
    const at = video.seeking ? this.shownS : video.currentTime
    return at === null || video.readyState < 2 ? null : this.range.startUs + at * 1e6
  }

  /** The picture is not of the clock's time. A screen may stand still from its key frame on. */
  private isForeign(beat: Beat, shownUs: number | null): boolean {
    if (shownUs === null) return true
    const { pieces } = this.loader!
    const slackUs = beat.stepping ? keyIntervalUs(pieces, beat.us) : FOREIGN_S * 1e6 * Math.max(1, beat.rate)
    const keyUs = pieces[Math.max(0, pieceAt(pieces, beat.us))]!.startUs
    return shownUs < Math.min(keyUs, beat.us) - slackUs || shownUs > beat.us + slackUs
  }

  /** Help an element that has its data and still does not show it; give it up rather than stop the others. */
  private watch(video: HTMLVideoElement, span: Span, beat: Beat): void {
    const network = this.loader!.failing && !this.hasData(span, beat)
    if (network || this.view.trouble === 'network') this.view.trouble = network ? 'network' : null
    const blind = video.seeking || video.readyState < 2 || (this.visible && this.isForeign(beat, this.elementUs()))
    const stuck = this.hasData(span, beat) && blind
    if (!stuck) {
      this.stuckSinceMs = null
      if (this.view.trouble === 'stuck') this.view.trouble = null
      return
    }
    const now = performance.now()
    this.stuckSinceMs ??= now
    const stuckMs = now - this.stuckSinceMs
    const patienceMs = video.seeking || video.readyState < 2 ? HELP_MS : REPAINT_MS
    if (stuckMs > GIVE_UP_MS) this.view.trouble = 'stuck'
    else if (stuckMs > patienceMs * (this.helps + 1)) this.help(video, span, beat)
  }

  /** Ask again; then a little earlier, since a decoder may keep the last frames before a hole to itself. */
  private help(video: HTMLVideoElement, span: Span, beat: Beat): void {
    this.seek(video, Math.max(this.inside(span, span.startUs), this.inside(span, beat.us) - 0.2 * this.helps))
    this.helps += 1
  }

  private publish(video: HTMLVideoElement, beat: Beat): void {
    if (this.view.trouble) return this.show('unplayable', true)
    const blind = video.seeking || video.readyState < 2
    if (this.overlay && this.mayUncover(this.overlay, beat, blind)) this.uncover()
    const foreign = this.isForeign(beat, this.pictureUs())
    const waiting = !beat.stepping && blind && !this.overlay
    this.show(waiting || foreign ? 'buffering' : 'playing', foreign)
  }

  /** The element shows the same picture, or has gone on from it; or the clock is elsewhere. */
  private mayUncover(overlay: { us: number; askedUs: number }, beat: Beat, blind: boolean): boolean {
    if (!beat.running && Math.abs(beat.us - overlay.askedUs) > OVERLAY_US) return true
    if (blind || this.isForeign(beat, this.elementUs())) return false
    const shownUs = this.elementUs()
    return shownUs !== null && (Math.abs(shownUs - overlay.us) <= 1000 || (beat.running && shownUs > overlay.us))
  }

  private show(state: PaneState, hidden: boolean): void {
    this.view.state = state
    this.view.hidden = hidden
  }

  private watchFrames(video: HTMLVideoElement): void {
    if (!TELLS_FRAMES) return
    const seen: VideoFrameRequestCallback = (_now, frame) => {
      this.frameUs = this.range.startUs + Math.round(frame.mediaTime * 1e6)
      if (this.video === video) video.requestVideoFrameCallback(seen)
    }
    video.requestVideoFrameCallback(seen)
  }
}
