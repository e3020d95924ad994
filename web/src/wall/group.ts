/**
 * A group of pictures taken apart: what has to be decoded to show one of them. Pure.
 *
 * Archived files have a key frame every ten or twenty seconds. Between two of them encoders build pictures in
 * layers: most are needed by few others. To show one picture of 250 about ten have to be decoded, so that a seek
 * and fast forward cost little where decoding everything would take seconds.
 */

import { NotRead, OBU, obusOf, readFrame, readSequence, type Obu, type Sequence } from './av1'
import { type PictureSample, type PictureTrack } from './boxes'

/** A frame as the decoder takes it. */
interface Coded {
  data: readonly Uint8Array[]
  needs: readonly number[] // numbers of frames before it
  shown: boolean
  pts: number // of the sample that it came in
}

/** A picture that is shown. */
export interface Picture {
  pts: number // ticks
  coded: number // number of the frame that is shown
  /** AV1: the order to show a frame that was decoded before. */
  order: Uint8Array | null
  /** Frames that come before this picture is shown, in decoding order. */
  after: number
}

/** What the decoder is given at once; at its end one picture is shown. */
export interface Unit {
  pts: number
  key: boolean
  data: Uint8Array
}

export interface Group {
  pictures: readonly Picture[] // in order of time
  coded: readonly Coded[]
}

/** How far a decoder has come in a group. */
export interface Progress {
  done: ReadonlySet<number>
  next: number // frames with a lower number come too late
}

export const AT_START: Progress = { done: new Set(), next: 0 }

export function groupOf(samples: readonly PictureSample[], track: PictureTrack): Group {
  const built = track.codec === 'av1' ? fromAv1(samples, track) : fromH264(samples, track)
  return { coded: built.coded, pictures: [...built.pictures].sort((a, b) => a.pts - b.pts) }
}

/** The picture that is on screen at a time: the last one that begins at or before it, else the first. */
export function pictureAt(group: Group, pts: number): Picture | undefined {
  return group.pictures.findLast((picture) => picture.pts <= pts) ?? group.pictures[0]
}

/** Numbers of the frames that a picture needs, in decoding order, without those that are done. */
export function needed(group: Group, picture: Picture, done: ReadonlySet<number> = AT_START.done): number[] {
  const found = new Set<number>()
  const open = [picture.coded]
  for (let number = open.pop(); number !== undefined; number = open.pop()) {
    if (found.has(number) || done.has(number)) continue
    found.add(number)
    open.push(...group.coded[number]!.needs)
  }
  return [...found].sort((a, b) => a - b)
}

/** Whether a picture can still be decoded without beginning anew. */
function inOrder(picture: Picture, frames: readonly number[], progress: Progress): boolean {
  return frames.length > 0 ? frames[0]! >= progress.next : picture.order !== null && picture.after >= progress.next
}

/** What the decoder is given to show a picture, and how far it is then. */
export function unitsFor(group: Group, picture: Picture, progress: Progress): { units: Unit[]; progress: Progress } {
  const frames = needed(group, picture, progress.done)
  const units: Unit[] = []
  let parts: Uint8Array[] = []
  let key = false
  for (const number of frames) {
    const frame = group.coded[number]!
    parts.push(...frame.data)
    key ||= number === 0
    if (!frame.shown) continue
    units.push({ pts: frame.pts, key, data: joined(parts) })
    parts = []
    key = false
  }
  if (picture.order) units.push({ pts: picture.pts, key, data: joined([...parts, picture.order]) })
  return { units, progress: { done: new Set([...progress.done, ...frames]), next: picture.order ? picture.after : frames.at(-1)! + 1 } }
}

/**
 * The cheapest picture between `from` and `to` (ticks, `to` included) that a decoder can go on to: the one that
 * needs the fewest frames, of equal ones the last. The first picture behind `to` where there is none between.
 */
export function nextPicture(group: Group, progress: Progress, from: number, to: number): Picture | undefined {
  let best: { picture: Picture; cost: number } | undefined
  for (const picture of group.pictures) {
    if (picture.pts < from) continue
    if (picture.pts > to && best) break
    const frames = needed(group, picture, progress.done)
    if (inOrder(picture, frames, progress) && (!best || frames.length <= best.cost)) best = { picture, cost: frames.length }
  }
  return best?.picture
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

function fromAv1(samples: readonly PictureSample[], track: PictureTrack): { coded: Coded[]; pictures: Picture[] } {
  try {
    return layered(samples, track)
  } catch (error) {
    if (!(error instanceof NotRead)) throw error
    return inLine(samples, track)
  }
}

/** What is collected while the samples of a group are gone through. */
interface Reading {
  sequence: Sequence | null
  slots: number[] // number of the frame in each; -1: of another group
  coded: Coded[]
  pictures: Picture[]
  prelude: Uint8Array[] // comes before the next frame
}

function layered(samples: readonly PictureSample[], track: PictureTrack): { coded: Coded[]; pictures: Picture[] } {
  const reading: Reading = { sequence: null, slots: new Array<number>(8).fill(-1), coded: [], pictures: [], prelude: [] }
  const own = [...obusOf(samples[0]?.data ?? new Uint8Array())].some((obu) => obu.type === OBU.sequence)
  for (const obu of own ? [] : obusOf(track.config)) take(reading, obu, samples[0]?.pts ?? 0)
  for (const sample of samples) for (const obu of obusOf(sample.data)) take(reading, obu, sample.pts)
  return reading
}

function take(reading: Reading, obu: Obu, pts: number): void {
  if (obu.type === OBU.sequence) reading.sequence = readSequence(obu.payload)
  if (obu.type === OBU.delimiter) return
  if (obu.type === OBU.frame || obu.type === OBU.frameHeader) takeFrame(reading, obu, pts)
  else if (obu.type === OBU.tiles) throw new NotRead('tiles by themselves')
  else reading.prelude.push(obu.bytes)
}

function takeFrame(reading: Reading, obu: Obu, pts: number): void {
  if (!reading.sequence) throw new NotRead('a frame before its sequence')
  const header = readFrame(obu.payload, reading.sequence)
  const number = reading.coded.length
  if (header.existing !== null) {
    const coded = reading.slots[header.existing]!
    if (coded < 0) throw new NotRead('a frame of another group')
    reading.pictures.push({ pts, coded, order: obu.bytes, after: number })
    return
  }
  const needs = new Set(header.references.map((slot) => reading.slots[slot]!).filter((one) => one >= 0))
  reading.coded.push({ data: [...reading.prelude, obu.bytes], needs: [...needs], shown: header.shown, pts })
  reading.prelude = []
  if (header.shown) reading.pictures.push({ pts, coded: number, order: null, after: number })
  for (let slot = 0; slot < 8; slot += 1) if ((header.refresh >> slot) & 1) reading.slots[slot] = number
}

/** Each picture needs all before it. */
function inLine(samples: readonly PictureSample[], track: PictureTrack): { coded: Coded[]; pictures: Picture[] } {
  const first = track.codec === 'av1' ? [track.config] : []
  return chain(samples.map((sample, number) => ({ ...sample, parts: number === 0 ? [...first, sample.data] : [sample.data], kept: true })))
}

/** H.264 tells which pictures no other one needs: `nal_ref_idc` of zero (ITU-T H.264, 7.4.1). */
function fromH264(samples: readonly PictureSample[], track: PictureTrack): { coded: Coded[]; pictures: Picture[] } {
  const lengthBytes = ((track.config[4] ?? 3) & 3) + 1
  return chain(samples.map((sample) => ({ ...sample, parts: [sample.data], kept: isReference(sample.data, lengthBytes) })))
}

function isReference(data: Uint8Array, lengthBytes: number): boolean {
  for (let at = 0; at + lengthBytes < data.length; ) {
    let size = 0
    for (let i = 0; i < lengthBytes; i += 1) size = size * 256 + data[at + i]!
    const head = data[at + lengthBytes]!
    if ([1, 5].includes(head & 31)) return (head >> 5) > 0
    at += lengthBytes + size
  }
  return true
}

function chain(samples: readonly { pts: number; parts: Uint8Array[]; kept: boolean }[]): { coded: Coded[]; pictures: Picture[] } {
  let before: number[] = []
  const coded = samples.map(({ pts, parts, kept }, number): Coded => {
    const frame = { data: parts, needs: before, shown: true, pts }
    if (kept) before = [number]
    return frame
  })
  return { coded, pictures: coded.map(({ pts }, number) => ({ pts, coded: number, order: null, after: number })) }
}
