/** Which pictures of an AV1 stream need which others (AV1 Bitstream & Decoding Process Specification, 5.3 to 5.9). Pure. */

import { viewOf } from './boxes'

/** What a frame header says that others depend on. */
export interface FrameHeader {
  /** Shows a frame that was decoded before, out of this slot; null where it is a frame of its own. */
  existing: number | null
  shown: boolean
  /** Slots that it is put into. */
  refresh: number // one bit for each of the eight
  /** Slots that it may be predicted from. */
  references: readonly number[]
}

export interface Obu {
  type: number
  bytes: Uint8Array // header included
  payload: Uint8Array
}

export const OBU = { sequence: 1, delimiter: 2, frameHeader: 3, tiles: 4, frame: 6 } as const
const KEY_FRAME = 0
const INTRA_ONLY = 2
const SWITCH_FRAME = 3
const SELECT = 2
const ALL_SLOTS = [0, 1, 2, 3, 4, 5, 6, 7]

/** A stream that uses what is not read here: all of its pictures have to be decoded. */
export class NotRead extends Error {}

export function* obusOf(sample: Uint8Array): Generator<Obu> {
  let at = 0
  while (at < sample.length) {
    const head = sample[at]!
    const begin = at + (head & 0x4 ? 2 : 1)
    const [size, sizeBytes] = head & 0x2 ? leb128(sample, begin) : [sample.length - begin, 0]
    const from = begin + sizeBytes
    yield { type: (head >> 3) & 15, bytes: sample.subarray(at, from + size), payload: sample.subarray(from, from + size) }
    at = from + size
  }
}

function leb128(bytes: Uint8Array, at: number): [value: number, length: number] {
  let value = 0
  for (let i = 0; i < 8; i += 1) {
    const byte = bytes[at + i] ?? 0
    value += (byte & 0x7f) * 2 ** (7 * i)
    if (!(byte & 0x80)) return [value, i + 1]
  }
  throw new NotRead('a size of more than eight bytes')
}

class Bits {
  private at = 0
  private readonly view: DataView

  constructor(bytes: Uint8Array) {
    this.view = viewOf(bytes)
  }

  take(count: number): number {
    let value = 0
    for (let i = 0; i < count; i += 1, this.at += 1) {
      if (this.at >> 3 >= this.view.byteLength) throw new NotRead('a header that is cut off')
      value = value * 2 + ((this.view.getUint8(this.at >> 3) >> (7 - (this.at & 7))) & 1)
    }
    return value
  }

  flag(): boolean {
    return this.take(1) === 1
  }
}

/** What frame headers are read by. */
export interface Sequence {
  orderHintBits: number
  screenTools: number // 2: each frame says
  integerMotion: number // 2: each frame says
}

export function readSequence(payload: Uint8Array): Sequence {
  const bits = new Bits(payload)
  bits.take(4) // profile, still picture
  if (bits.flag()) throw new NotRead('a reduced header')
  if (bits.flag()) throw new NotRead('timing information')
  readOperatingPoints(bits)
  const [width, height] = [bits.take(4) + 1, bits.take(4) + 1]
  bits.take(width)
  bits.take(height)
  if (bits.flag()) throw new NotRead('frame numbers')
  bits.take(3) // superblocks of 128, filter intra, intra edge filter
  bits.take(4) // inter-intra, masked, warped, dual filter
  const ordered = bits.flag()
  if (ordered) bits.take(2)
  const screenTools = bits.flag() ? SELECT : bits.take(1)
  const integerMotion = screenTools > 0 && !bits.flag() ? bits.take(1) : SELECT
  return { screenTools, integerMotion, orderHintBits: ordered ? bits.take(3) + 1 : 0 }
}

function readOperatingPoints(bits: Bits): void {
  const delays = bits.flag()
  const points = bits.take(5) + 1
  for (let i = 0; i < points; i += 1) {
    bits.take(12)
    if (bits.take(5) > 7) bits.take(1)
    if (delays && bits.flag()) bits.take(4)
  }
}

export function readFrame(payload: Uint8Array, sequence: Sequence): FrameHeader {
  const bits = new Bits(payload)
  if (bits.flag()) return { existing: bits.take(3), shown: true, refresh: 0, references: [] }
  const type = bits.take(2)
  const shown = bits.flag()
  if (!shown) bits.take(1) // showable
  const newStart = type === KEY_FRAME && shown
  const resilient = type === SWITCH_FRAME || newStart || bits.flag()
  bits.take(1) // CDF update disabled
  const intra = type === KEY_FRAME || type === INTRA_ONLY
  const tools = sequence.screenTools === SELECT ? bits.take(1) : sequence.screenTools
  if (tools > 0 && sequence.integerMotion === SELECT) bits.take(1)
  if (type !== SWITCH_FRAME) bits.take(1) // another size
  bits.take(sequence.orderHintBits)
  if (!intra && !resilient) bits.take(3) // primary reference: one of the references below
  const refresh = type === SWITCH_FRAME || newStart ? 0xff : bits.take(8)
  if ((!intra || refresh !== 0xff) && resilient && sequence.orderHintBits > 0) bits.take(8 * sequence.orderHintBits)
  return { existing: null, shown, refresh, references: intra ? [] : readReferences(bits, sequence) }
}

function readReferences(bits: Bits, sequence: Sequence): readonly number[] {
  if (sequence.orderHintBits > 0 && bits.flag()) return ALL_SLOTS // told in short: worked out of what all slots hold
  return [...new Set(Array.from({ length: 7 }, () => bits.take(3)))]
}
