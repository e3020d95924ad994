/** Small pictures of a source for the time axis: the key frame of a moment's fragment, from the file itself. */

import { getBytes, type RenditionIndex } from '@/api/client'
import { pictureSamples, pictureTrack, type PictureTrack } from './boxes'
import { pieceAt, type Piece } from './fragments'
import { AT_START, groupOf, unitsFor } from './group'
import { initIn } from './loader'
import { codecOf } from './pictures'

export interface Thumbnail {
  us: number // wall time of the picture
  image: ImageBitmap
}

const WIDTH = 208 // pixels
/** A key frame is mostly within these first bytes of its fragment; if not, the whole is fetched. */
const FIRST_BYTES = 48_000
const KEPT = 300

export class Thumbnails {
  private readonly known = new Map<number, Promise<Thumbnail | null>>()
  private readonly tracks = new Map<number, Promise<PictureTrack | undefined>>()

  constructor(
    private readonly indexes: readonly RenditionIndex[],
    private readonly pieces: readonly Piece[],
    private readonly mediaUrl: (index: RenditionIndex) => string,
  ) {}

  /** The picture of the fragment on screen at `us`; null where there is none or it cannot be decoded. */
  at(us: number): Promise<Thumbnail | null> {
    const i = pieceAt(this.pieces, us)
    const piece = this.pieces[i]
    if (!piece || piece.endUs <= us || !('VideoDecoder' in globalThis)) return Promise.resolve(null)
    const known = this.known.get(i) ?? this.made(piece).catch(() => null)
    this.known.delete(i)
    this.known.set(i, known) // the last one asked for is the last to go
    if (this.known.size > KEPT) this.known.delete(this.known.keys().next().value!)
    return known
  }

  private async made(piece: Piece): Promise<Thumbnail | null> {
    const index = this.indexes[piece.rendition]!
    const track = await this.track(piece.rendition)
    const data = track && (await this.keySample(piece, track))
    if (!data) return null
    const image = await decoded(codecOf(index), track, data)
    return image && { us: piece.startUs, image }
  }

  private track(rendition: number): Promise<PictureTrack | undefined> {
    const index = this.indexes[rendition]!
    const known =
      this.tracks.get(rendition) ?? this.init(index).then((init) => pictureTrack(new Uint8Array(init)))
    this.tracks.set(rendition, known)
    known.catch(() => this.tracks.delete(rendition))
    return known
  }

  private async keySample(piece: Piece, track: PictureTrack): Promise<Uint8Array | undefined> {
    const index = this.indexes[piece.rendition]!
    for (const size of [Math.min(FIRST_BYTES, piece.size), piece.size]) {
      const bytes = new Uint8Array(await this.bytes(index, piece.offset, piece.offset + size))
      const sample = pictureSamples(bytes, track)[0]
      if (sample && sample.data.byteLength === sample.size) return sample.data
    }
    return undefined
  }

  private async init(index: RenditionIndex): Promise<ArrayBuffer> {
    return initIn(index) ?? (await this.bytes(index, 0, index.init_size))
  }

  private bytes(index: RenditionIndex, start: number, end: number): Promise<ArrayBuffer> {
    return getBytes(this.mediaUrl(index), start, end, new AbortController().signal)
  }
}

async function decoded(codec: string, track: PictureTrack, data: Uint8Array): Promise<ImageBitmap | null> {
  const group = groupOf([{ pts: 0, key: true, size: data.length, data }], track)
  const frames: VideoFrame[] = []
  const decoder = new VideoDecoder({ output: (frame) => frames.push(frame), error: () => undefined })
  decoder.configure({ codec, ...(track.codec === 'h264' ? { description: track.config as BufferSource } : {}) })
  for (const unit of unitsFor(group, group.pictures[0]!, AT_START).units) {
    decoder.decode(new EncodedVideoChunk({ type: 'key', timestamp: 0, data: unit.data as BufferSource }))
  }
  await decoder.flush()
  decoder.close()
  const image = frames[0] ? await createImageBitmap(frames[0], { resizeWidth: WIDTH }) : null
  frames.forEach((frame) => frame.close())
  return image
}
