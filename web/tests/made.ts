import type { Clip, ClipGap, RenditionIndex } from '@/api/client'

export const S = 1_000_000

/** Times in seconds of a small made-up session. */
export function madeClip(id: string, start: number, end: number, gaps: [number, number][] = [], extra: Partial<Clip> = {}): Clip {
  return {
    id,
    source: {
      id: 'cam',
      room_id: 'r1', room_name_zh: '开标厅', room_name_en: 'Hall', seat_ordinal: null,
      seat_id: null,
      content_kind: 'room',
      label_zh: '全景',
      label_en: 'Panorama',
      state: null,
      fault: null,
      detail: '',
      last_frame_us: null,
    },
    member: null,
    start_us: start * S,
    end_us: end * S,
    gaps: gaps.map(([a, b]): ClipGap => ({ start_us: a * S, end_us: b * S, cause: 'camera_lost', detail: '' })),
    backfilled: [],
    rendition_id: `r-${id}`,
    video_codec: 'av01.0.05M.08',
    audio_codec: null,
    width: 640,
    height: 360,
    size_bytes: 1,
    quality: null,
    ...extra,
  }
}

/** Fragments lie side by side in the file, 1000 bytes each after 100 bytes of init. */
export function madeIndex(id: string, fragments: [number, number][], size = 1000): RenditionIndex {
  return {
    rendition_id: `r-${id}`,
    mime: 'video/mp4; codecs="av01.0.05M.08"',
    wall_start_us: fragments[0]![0] * S,
    wall_end_us: fragments.at(-1)![1] * S,
    init_size: 100,
    init: '',
    size_bytes: 100 + fragments.length * size,
    media_url: `/media/renditions/r-${id}`,
    fragments: fragments.map(([a, b], i) => ({ start_us: a * S, end_us: b * S, offset: 100 + i * size, size })),
  }
}

export function everyTwoSeconds(start: number, end: number): [number, number][] {
  return Array.from({ length: (end - start) / 2 }, (_, i) => [start + 2 * i, start + 2 * i + 2])
}
