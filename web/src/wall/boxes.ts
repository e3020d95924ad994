/** What an archived file's boxes say of its pictures (ISO/IEC 14496-12, 14496-15; AV1 in ISOBMFF). Pure. */

/** How the pictures of a file are encoded. */
export interface PictureTrack {
  id: number
  timescale: number // ticks a second
  codec: 'av1' | 'h264'
  /** H.264: the decoder configuration record, without its box. AV1: what its first samples may lack. */
  config: Uint8Array
}

/** A sample of the picture track; its bytes lie in the fragment. */
export interface PictureSample {
  pts: number // ticks
  key: boolean
  size: number // bytes; more than `data` has where the fragment is cut off
  data: Uint8Array
}

interface Box {
  type: string
  body: Uint8Array
  start: number // of the box itself, in the bytes that were searched
}

const NOT_SYNC = 0x10000
/** Bytes of a visual sample entry before its boxes. */
const VISUAL_ENTRY = 78

export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function* boxesIn(bytes: Uint8Array): Generator<Box> {
  const view = viewOf(bytes)
  let at = 0
  while (at + 8 <= bytes.length) {
    const size = view.getUint32(at)
    if (size < 8) return // to the end of the file, or larger than 4 GB: no box that is looked for
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8))
    yield { type, body: bytes.subarray(at + 8, Math.min(bytes.length, at + size)), start: at }
    at += size
  }
}

function inside(bytes: Uint8Array, ...path: string[]): Uint8Array | undefined {
  const [first, ...rest] = path
  const found = [...boxesIn(bytes)].find((box) => box.type === first)?.body
  return found && rest.length > 0 ? inside(found, ...rest) : found
}

/** The first picture track of an init segment whose codec is known; undefined where there is none. */
export function pictureTrack(init: Uint8Array): PictureTrack | undefined {
  const moov = inside(init, 'moov')
  for (const trak of moov ? [...boxesIn(moov)].filter((box) => box.type === 'trak') : []) {
    const found = trackOf(trak.body)
    if (found) return found
  }
  return undefined
}

function trackOf(trak: Uint8Array): PictureTrack | undefined {
  const mdhd = inside(trak, 'mdia', 'mdhd')
  const tkhd = inside(trak, 'tkhd')
  const stsd = inside(trak, 'mdia', 'minf', 'stbl', 'stsd')
  if (!mdhd || !tkhd || !stsd) return undefined
  const id = viewOf(tkhd).getUint32(tkhd[0] === 1 ? 20 : 12)
  const timescale = viewOf(mdhd).getUint32(mdhd[0] === 1 ? 20 : 12)
  const entry = [...boxesIn(stsd.subarray(8))][0]
  const more = entry?.body.subarray(VISUAL_ENTRY)
  const av1 = entry?.type === 'av01' && more ? inside(more, 'av1C') : undefined
  if (av1) return { id, timescale, codec: 'av1', config: av1.subarray(4) }
  const h264 = entry?.type.startsWith('avc') && more ? inside(more, 'avcC') : undefined
  return h264 && { id, timescale, codec: 'h264', config: h264 }
}

/** The picture samples of a fragment, in decoding order. */
export function pictureSamples(fragment: Uint8Array, track: PictureTrack): PictureSample[] {
  for (const moof of boxesIn(fragment)) {
    if (moof.type !== 'moof') continue
    const trafs = [...boxesIn(moof.body)].filter((box) => box.type === 'traf')
    return trafs.flatMap((traf) => samplesOf(traf.body, fragment.subarray(moof.start), track.id))
  }
  return []
}

function samplesOf(traf: Uint8Array, fromMoof: Uint8Array, trackId: number): PictureSample[] {
  const tfhd = inside(traf, 'tfhd')
  const tfdt = inside(traf, 'tfdt')
  const trun = inside(traf, 'trun')
  if (!tfhd || !tfdt || !trun || viewOf(tfhd).getUint32(4) !== trackId) return []
  const defaults = defaultsOf(tfhd)
  const time = viewOf(tfdt)
  let dts = tfdt[0] === 1 ? Number(time.getBigUint64(4)) : time.getUint32(4)
  const entries = entriesOf(trun, defaults)
  let at = entries.dataOffset
  return entries.samples.map(({ size, duration, flags, shift }) => {
    const sample = { pts: dts + shift, key: (flags & NOT_SYNC) === 0, size, data: fromMoof.subarray(at, at + size) }
    dts += duration
    at += size
    return sample
  })
}

interface Defaults {
  duration: number
  size: number
  flags: number
}

/** Reads 32-bit fields one after the other. */
function reader(body: Uint8Array, from: number): () => number {
  const view = viewOf(body)
  let at = from - 4
  return () => view.getUint32((at += 4))
}

function defaultsOf(tfhd: Uint8Array): Defaults {
  const told = viewOf(tfhd).getUint32(0) & 0xffffff
  const next = reader(tfhd, 8 + (told & 0x1 ? 8 : 0) + (told & 0x2 ? 4 : 0))
  const duration = told & 0x8 ? next() : 0
  const size = told & 0x10 ? next() : 0
  return { duration, size, flags: told & 0x20 ? next() : 0 }
}

function entriesOf(trun: Uint8Array, defaults: Defaults): { dataOffset: number; samples: (Defaults & { shift: number })[] } {
  const told = viewOf(trun).getUint32(0) & 0xffffff
  const next = reader(trun, 4)
  const count = next()
  const dataOffset = told & 0x1 ? next() : 0
  const firstFlags = told & 0x4 ? next() : null
  const samples = Array.from({ length: count }, (_, number) => {
    const duration = told & 0x100 ? next() : defaults.duration
    const size = told & 0x200 ? next() : defaults.size
    const own = told & 0x400 ? next() : defaults.flags
    const shift = told & 0x800 ? next() | 0 : 0
    return { duration, size, flags: number === 0 && firstFlags !== null ? firstFlags : own, shift }
  })
  return { dataOffset, samples }
}
