/**
 * Single pictures of a source, decoded by WebCodecs beside the media element: the picture of a moment after a seek,
 * the next ones in fast forward, the one before or behind. Only what such a picture needs is decoded (`group.ts`).
 */

import type { RenditionIndex } from '@/api/client'
import { pictureSamples, pictureTrack, type PictureTrack } from './boxes'
import { aheadUs, nextFetch, pieceAt, type Fetch, type Piece } from './fragments'
import { AT_START, groupOf, nextPicture, pictureAt, unitsFor, type Group, type Picture, type Progress } from './group'

/** A decoded picture and its wall time. Whoever gets it closes it. */
export interface Shown {
  us: number
  frame: VideoFrame
}

/** In fast forward so many different pictures are wanted in a second of the viewer's. */
export const PICTURES_A_SECOND = 8
/** So many pictures are decoded before they are due. */
const READY = 4
/** A picture that is late by this, in the viewer's seconds, is waited for. */
const LATE_S = 0.5
/** Footage that is kept taken apart around the play head. */
const KEEP_BEHIND_US = 30e6

/** Brings a piece; ends when it is here or cannot be had. */
export type Load = (piece: number) => Promise<void>

interface Taken {
  group: Group
  piece: Piece
}

/** Where fast forward is. */
interface Run {
  piece: number
  progress: Progress
  us: number // wall time of the picture decoded last
  ready: Shown[]
  due: number[] // wall times of pictures that the decoder has and has not given yet
  decoder: VideoDecoder
}

export class Pictures {
  /** Pieces whose bytes are here. */
  readonly have = new Set<number>()
  private readonly bytes = new Map<number, Uint8Array>()
  private readonly groups = new Map<number, Taken>()
  private readonly waiting = new Map<number, (() => void)[]>()
  private readonly tracks = new Map<number, PictureTrack>()
  private run: Run | null = null
  private wish = 0
  private single: VideoDecoder | null = null
  private supported = false
  private broken = false

  constructor(
    private readonly indexes: readonly RenditionIndex[],
    private readonly pieces: readonly Piece[],
  ) {}

  /** Ask whether this browser can do it for all these files. */
  async possible(): Promise<boolean> {
    const codecs = [...new Set(this.indexes.map(codecOf))]
    if (!('VideoDecoder' in globalThis) || !codecs.every((codec) => /^(av01|avc[13])\./.test(codec))) return false
    const answers = await Promise.all(codecs.map((codec) => VideoDecoder.isConfigSupported({ codec }).catch(() => null)))
    return (this.supported = answers.every((answer) => answer?.supported === true))
  }

  get usable(): boolean {
    return this.supported && !this.broken
  }

  /** What the loader got is taken apart here, too. */
  keep(fetch: Pick<Fetch, 'first' | 'last' | 'rendition' | 'start'>, init: ArrayBuffer, bytes: ArrayBuffer): void {
    const track = this.tracks.get(fetch.rendition) ?? pictureTrack(new Uint8Array(init))
    if (!track) return this.giveUp()
    this.tracks.set(fetch.rendition, track)
    for (let i = fetch.first; i <= fetch.last; i += 1) {
      const { offset, size } = this.pieces[i]!
      this.bytes.set(i, new Uint8Array(bytes, offset - fetch.start, size))
      this.have.add(i)
      this.waiting.get(i)?.forEach((done) => done())
      this.waiting.delete(i)
    }
  }

  trim(us: number, rate: number): void {
    for (const i of this.have) {
      const { startUs, endUs } = this.pieces[i]!
      if (endUs >= us - KEEP_BEHIND_US && startUs <= us + aheadUs(rate) + 60e6) continue
      this.have.delete(i)
      this.bytes.delete(i)
      this.groups.delete(i)
    }
  }

  /** What fast forward would fetch next. */
  wanted(us: number, rate: number): Fetch | null {
    return nextFetch(this.pieces, this.have, us, rate)
  }

  close(): void {
    this.wish += 1
    this.stopRun()
    if (this.single?.state !== 'closed') this.single?.close()
    this.waiting.clear()
  }

  /** The picture of a moment; null if another one was asked for since, or it cannot be had. `load` brings a piece. */
  async at(us: number, load: Load): Promise<Shown | null> {
    const mine = ++this.wish
    const found = await this.taken(pieceAt(this.pieces, us), load)
    if (!found || mine !== this.wish) return null
    const picture = pictureAt(found.group, this.ptsOf(found.piece, us))
    return picture ? await this.decodeOne(found, picture, mine) : null
  }

  /** Wall time of the first picture behind a moment, or of the last one before it; null where there is none. */
  async neighbour(us: number, direction: 1 | -1, load: Load): Promise<number | null> {
    const i = pieceAt(this.pieces, direction > 0 ? us : us - 1)
    const found = await this.taken(i, load)
    if (!found) return null
    const times = this.timesOf(found)
    if (direction > 0) return times.find((time) => time > us) ?? this.pieces[i + 1]?.startUs ?? null
    return times.findLast((time) => time < us) ?? null
  }

  /** Fast forward: decode what is due soon, and give what is due now. */
  advance(us: number, rate: number): Shown | null {
    if (this.broken) return null
    const stepUs = (rate / PICTURES_A_SECOND) * 1e6
    const run = this.runAt(us, stepUs * 4)
    if (run) this.feed(run, us, stepUs)
    let shown: Shown | null = null
    while (run?.ready[0] && run.ready[0].us <= us) {
      shown?.frame.close()
      shown = run.ready.shift()!
    }
    return shown
  }

  /** Whether fast forward keeps up with a clock at `us`. */
  keepsUp(us: number, rate: number): boolean {
    const run = this.run
    if (!run) return false
    const due = run.ready[0]?.us ?? run.due[0] ?? run.us
    return us - due < (LATE_S + 1 / PICTURES_A_SECOND) * rate * 1e6 || this.nothingBetween(run, us)
  }

  stopRun(): void {
    this.run?.ready.forEach(({ frame }) => frame.close())
    if (this.run?.decoder.state !== 'closed') this.run?.decoder.close()
    this.run = null
  }

  /** A screen that stands still has no newer picture than the one shown. */
  private nothingBetween(run: Run, us: number): boolean {
    if (run.due.length > 0 || run.ready.length > 0) return false
    const found = this.groups.get(run.piece)
    if (!found || (us >= found.piece.endUs && this.pieces[run.piece + 1] && us >= this.pieces[run.piece + 1]!.startUs)) return false
    return !this.timesOf(found).some((time) => time > run.us && time <= us)
  }

  private runAt(us: number, farUs: number): Run | null {
    const piece = pieceAt(this.pieces, us)
    if (piece < 0 || !this.pieces[piece] || this.pieces[piece].endUs <= us) return this.run
    const run = this.run
    // Something that is decoded picture by picture may be behind: it goes on with the next key frame.
    const lost = !run || us < run.us - farUs || (piece > run.piece && us - run.us > farUs)
    if (!lost) return run
    if (!this.group(piece)) return run
    this.stopRun()
    return (this.run = { piece, progress: AT_START, us: -Infinity, ready: [], due: [], decoder: this.newRunDecoder(piece) })
  }

  private newRunDecoder(piece: number): VideoDecoder {
    const decoder = new VideoDecoder({
      output: (frame) => this.came(frame),
      error: () => this.giveUp(),
    })
    decoder.configure(this.configOf(this.pieces[piece]!.rendition))
    return decoder
  }

  private came(frame: VideoFrame): void {
    const run = this.run
    if (!run) return frame.close()
    const us = frame.timestamp
    run.due = run.due.filter((time) => time > us)
    run.ready.push({ us, frame })
    run.ready.sort((a, b) => a.us - b.us)
  }

  /** Give the decoder what shows the next pictures, a few ahead of the clock. */
  private feed(run: Run, us: number, stepUs: number): void {
    while (run.ready.length + run.due.length < READY) {
      const found = this.group(run.piece)
      if (!found) return
      const from = Math.max(run.us + stepUs / 2, us - stepUs)
      const picture = run.us === -Infinity ? this.firstOf(found, us, stepUs) : this.nextOf(found, run.progress, from, stepUs)
      if (!picture && !this.goOn(run)) return
      if (picture) this.decode(run, found, picture)
    }
  }

  private firstOf(found: Taken, us: number, stepUs: number): Picture | undefined {
    return this.nextOf(found, AT_START, us - stepUs, stepUs * 2) ?? found.group.pictures[0]
  }

  private nextOf({ group, piece }: Taken, progress: Progress, fromUs: number, stepUs: number): Picture | undefined {
    return nextPicture(group, progress, this.ptsOf(piece, fromUs), this.ptsOf(piece, fromUs + stepUs))
  }

  /** To the next piece; another file needs another decoder. */
  private goOn(run: Run): boolean {
    const next = run.piece + 1
    if (!this.pieces[next] || !this.group(next)) return false
    if (this.pieces[next].rendition !== this.pieces[run.piece]!.rendition) {
      run.decoder.close()
      run.decoder = this.newRunDecoder(next)
      run.due = []
    }
    run.piece = next
    run.progress = AT_START
    return true
  }

  private decode(run: Run, found: Taken, picture: Picture): void {
    const { units, progress } = unitsFor(found.group, picture, run.progress)
    run.progress = progress
    for (const unit of units) run.decoder.decode(this.chunkOf(found.piece, unit))
    run.us = this.usOf(found.piece, picture.pts)
    run.due.push(run.us)
  }

  private async decodeOne(found: Taken, picture: Picture, mine: number): Promise<Shown | null> {
    const wantedUs = this.usOf(found.piece, picture.pts)
    let shown: Shown | null = null
    if (this.single?.state !== 'closed') this.single?.close()
    const decoder = (this.single = new VideoDecoder({
      output: (frame) => {
        if (frame.timestamp !== wantedUs || shown) return frame.close()
        shown = { us: wantedUs, frame }
      },
      error: () => this.giveUp(),
    }))
    try {
      decoder.configure(this.configOf(found.piece.rendition))
      for (const unit of unitsFor(found.group, picture, AT_START).units) decoder.decode(this.chunkOf(found.piece, unit))
      await decoder.flush()
    } catch (error) {
      if (!(error instanceof DOMException)) throw error // given up by the next wish
    }
    const mineStill = mine === this.wish
    if (!mineStill) (shown as Shown | null)?.frame.close()
    return mineStill ? shown : null
  }

  private chunkOf(piece: Piece, unit: { pts: number; key: boolean; data: Uint8Array }): EncodedVideoChunk {
    return new EncodedVideoChunk({ type: unit.key ? 'key' : 'delta', timestamp: this.usOf(piece, unit.pts), data: unit.data as BufferSource })
  }

  private configOf(rendition: number): VideoDecoderConfig {
    const track = this.tracks.get(rendition)!
    const codec = codecOf(this.indexes[rendition]!)
    const description = track.codec === 'h264' ? { description: track.config as BufferSource } : {}
    return { codec, optimizeForLatency: true, ...description }
  }

  private async taken(piece: number, load: Load): Promise<Taken | undefined> {
    if (!this.pieces[piece]) return undefined
    // A fetch may be given up for a more urgent one: once more, then it is not to be had.
    for (let tries = 0; tries < 2 && !this.bytes.has(piece) && !this.broken; tries += 1) {
      const here = new Promise<void>((done) => this.waiting.set(piece, [...(this.waiting.get(piece) ?? []), done]))
      await Promise.race([here, load(piece)])
    }
    return this.group(piece)
  }

  private group(i: number): Taken | undefined {
    const known = this.groups.get(i)
    const bytes = this.bytes.get(i)
    const piece = this.pieces[i]
    if (known || !bytes || !piece) return known
    const track = this.tracks.get(piece.rendition)!
    const made = { group: groupOf(pictureSamples(bytes, track), track), piece }
    this.groups.set(i, made)
    return made
  }

  private timesOf({ group, piece }: Taken): number[] {
    return group.pictures.map((picture) => this.usOf(piece, picture.pts))
  }

  /** Ticks of a file are counted from its start. */
  private usOf(piece: Piece, pts: number): number {
    return this.indexes[piece.rendition]!.wall_start_us + Math.round((pts * 1e6) / this.tracks.get(piece.rendition)!.timescale)
  }

  private ptsOf(piece: Piece, us: number): number {
    const { wall_start_us: start } = this.indexes[piece.rendition]!
    return Math.round(((us - start) * this.tracks.get(piece.rendition)!.timescale) / 1e6)
  }

  /** A file that this decoder cannot read: the media element alone has to do. */
  private giveUp(): void {
    this.broken = true
    this.waiting.forEach((waiting) => waiting.forEach((done) => done()))
    this.waiting.clear()
  }
}

/** The codec of a file's pictures (RFC 6381). */
export function codecOf(index: RenditionIndex): string {
  return /codecs="([^",]+)/.exec(index.mime)?.[1] ?? ''
}
