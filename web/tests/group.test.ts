import { describe, expect, it } from 'vitest'
import { obusOf, readFrame, readSequence } from '@/wall/av1'
import { pictureSamples, pictureTrack, type PictureTrack } from '@/wall/boxes'
import { AT_START, groupOf, nextPicture, needed, pictureAt, unitsFor, type Group } from '@/wall/group'

/** As SVT-AV1 builds it: a key frame, then every fourth frame on its own layer, the rest between them. */
function layers(groups = 3): Group {
  const coded = [{ data: [bytes(0)], needs: [] as number[], shown: true, pts: 0 }]
  const pictures = [{ pts: 0, coded: 0, order: null as Uint8Array | null, after: 0 }]
  let base = 0
  for (let g = 0; g < groups; g += 1) {
    const from = coded.length
    const at = g * 40
    coded.push({ data: [bytes(from)], needs: [base], shown: false, pts: at + 10 }) // shown last, at + 40
    coded.push({ data: [bytes(from + 1)], needs: [base, from], shown: false, pts: at + 10 }) // shown at + 20
    coded.push({ data: [bytes(from + 2)], needs: [base, from + 1], shown: true, pts: at + 10 })
    pictures.push({ pts: at + 10, coded: from + 2, order: null, after: from + 2 })
    pictures.push({ pts: at + 20, coded: from + 1, order: bytes(100), after: from + 3 })
    coded.push({ data: [bytes(from + 3)], needs: [from, from + 1], shown: true, pts: at + 30 })
    pictures.push({ pts: at + 30, coded: from + 3, order: null, after: from + 3 })
    pictures.push({ pts: at + 40, coded: from, order: bytes(101), after: from + 4 })
    base = from
  }
  return { coded, pictures }
}

function bytes(...values: number[]): Uint8Array {
  return new Uint8Array(values)
}

describe('what has to be decoded to show a picture', () => {
  const group = layers()

  it('is the picture on screen at that time', () => {
    expect(pictureAt(group, 39)?.pts).toBe(30)
    expect(pictureAt(group, 40)?.pts).toBe(40)
    expect(pictureAt(group, -5)?.pts).toBe(0)
    expect(pictureAt(group, 9999)?.pts).toBe(120)
  })

  it('leaves out what nothing shown depends on', () => {
    expect(needed(group, pictureAt(group, 120)!)).toEqual([0, 1, 5, 9])
    expect(needed(group, pictureAt(group, 100)!)).toEqual([0, 1, 5, 9, 10])
  })

  it('puts frames that are not shown into one unit with the picture that is', () => {
    const { units } = unitsFor(group, pictureAt(group, 40)!, AT_START)
    expect(units.map((unit) => [unit.pts, unit.key, [...unit.data]])).toEqual([
      [0, true, [0]],
      [40, false, [1, 101]],
    ])
  })

  it('goes on from what is decoded already', () => {
    const first = unitsFor(group, pictureAt(group, 40)!, AT_START)
    const { units } = unitsFor(group, pictureAt(group, 80)!, first.progress)
    expect(units.map((unit) => [...unit.data])).toEqual([[5, 101]])
  })

  it('chooses the picture that costs least', () => {
    const first = unitsFor(group, pictureAt(group, 40)!, AT_START)
    expect(nextPicture(group, first.progress, 50, 90)?.pts).toBe(80)
  })

  it('takes the next one where a screen has none for long', () => {
    expect(nextPicture(group, AT_START, 1, 5)?.pts).toBe(10)
  })

  it('never goes back to a frame that the decoder has passed', () => {
    const later = { done: new Set([0, 1, 5]), next: 6 }
    const found = nextPicture(group, later, 10, 40)
    expect(found === undefined || needed(group, found, later.done).every((one) => one >= 6)).toBe(true)
  })
})

describe('H.264', () => {
  const track: PictureTrack = { id: 1, timescale: 90_000, codec: 'h264', config: bytes(1, 100, 0, 31, 0xff) }
  const nal = (head: number): Uint8Array => bytes(0, 0, 0, 2, head, 7)
  const sample = (pts: number, head: number, key = false) => ({ pts, key, size: 6, data: nal(head) })

  it('leaves out pictures that no other one is predicted from', () => {
    const group = groupOf([sample(0, 0x65, true), sample(3, 0x41), sample(1, 0x01), sample(2, 0x01), sample(6, 0x41)], track)
    expect(needed(group, pictureAt(group, 6)!)).toEqual([0, 1, 4])
    expect(needed(group, pictureAt(group, 2)!)).toEqual([0, 1, 3])
  })
})

describe('AV1 headers', () => {
  it('are read over their sizes', () => {
    const sample = bytes(0x12, 0x00, 0x0a, 0x02, 0xaa, 0xbb, 0x1a, 0x01, 0xe8)
    expect([...obusOf(sample)].map((obu) => [obu.type, obu.payload.length])).toEqual([[2, 0], [1, 2], [3, 1]])
  })

  it('tell a frame that is shown again by its slot', () => {
    const sequence = { orderHintBits: 7, screenTools: 0, integerMotion: 2 }
    expect(readFrame(bytes(0xe8), sequence)).toEqual({ existing: 6, shown: true, refresh: 0, references: [] })
  })

  it('refuse what is cut off instead of guessing', () => {
    expect(() => readSequence(bytes(0x00))).toThrow()
    const track: PictureTrack = { id: 1, timescale: 1, codec: 'av1', config: bytes() }
    const group = groupOf([{ pts: 0, key: true, size: 1, data: bytes(0x30) }, { pts: 1, key: false, size: 1, data: bytes(0x30) }], track)
    expect(needed(group, pictureAt(group, 1)!)).toEqual([0, 1]) // all of them are decoded
  })
})

describe('boxes', () => {
  it('that say nothing of pictures give none', () => {
    const track: PictureTrack = { id: 1, timescale: 1, codec: 'av1', config: bytes() }
    expect(pictureTrack(bytes(0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65))).toBeUndefined()
    expect(pictureSamples(bytes(0, 0, 0, 0), track)).toEqual([])
  })
})
