/** What a file of the ring holds, by its own word: what its source sends now may be something else. */

import { getBytes } from '@/api/client'

/** The init segment of a recording is smaller, and the picture's track comes first in it (`docs/design/segments.md`). */
const HEAD_BYTES = 4096

const ENTRIES: Record<string, string> = { avc1: 'h264', avc3: 'h264', hvc1: 'h265', hev1: 'h265', jpeg: 'mjpeg' }

/** The codec of a recording's picture, as `SourceStatus.codec` names it; null where the file cannot be had or read. */
export async function codecOfFile(url: string, size: number): Promise<string | null> {
  try {
    return codecIn(new Uint8Array(await getBytes(url, 0, Math.min(size, HEAD_BYTES), new AbortController().signal)))
  } catch {
    return null
  }
}

/** The first sample entry behind `stsd` (ISO/IEC 14496-12, 8.5.2): version, flags, count and size lie between. */
export function codecIn(bytes: Uint8Array): string | null {
  const text = String.fromCharCode(...bytes)
  const at = text.indexOf('stsd')
  return at < 0 ? null : (ENTRIES[text.slice(at + 16, at + 20)] ?? null)
}
