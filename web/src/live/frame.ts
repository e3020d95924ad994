/** What comes over the socket of `/api/live`; `player_api/live_queue.py` writes it. Pure. */

export interface Frame {
  kind: 'init' | 'fragment'
  key: boolean
  sound: boolean
  pane: number
  /** Wall time of the first picture, UTC microseconds. */
  wallUs: number
  /** Its decode time on the run's own time line, microseconds. */
  mediaUs: number
  lengthUs: number
  data: Uint8Array<ArrayBuffer>
}

const HEAD_BYTES = 24

/** One byte kind, one of flags, two of pane; 8 wall, 8 media, 4 length, the greatest byte first. */
export function readFrame(buffer: ArrayBuffer): Frame | null {
  if (buffer.byteLength < HEAD_BYTES) return null
  const view = new DataView(buffer)
  const flags = view.getUint8(1)
  return {
    kind: view.getUint8(0) === 1 ? 'init' : 'fragment',
    key: (flags & 1) !== 0,
    sound: (flags & 2) !== 0,
    pane: view.getUint16(2),
    wallUs: Number(view.getBigUint64(4)),
    mediaUs: Number(view.getBigInt64(12)),
    lengthUs: view.getUint32(20),
    data: new Uint8Array(buffer, HEAD_BYTES),
  }
}
