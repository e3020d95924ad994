/**
 * Looking at files of the ring is on record like all watching (invariant 14): a file that is played, and the stills
 * of sources on a page. The local user of a server without accounts is known by the request alone.
 */

import { api, ApiError, watched, type WatchEntry } from './client'
import { me } from './me'
import { ShownStretches } from './watching'

const BEAT_MS = 10_000
const GATHER_MS = 150
/** A page that wants no still any more for so long does not look at them any more. */
const STILLS_MS = 60_000
const MOST = 64

class Kept {
  readonly shown = new ShownStretches()
  private readonly timer: ReturnType<typeof setInterval>
  private ended = false

  constructor(
    private readonly id: string,
    readonly token: string,
    private readonly asleep: () => boolean,
  ) {
    this.timer = setInterval(() => void this.tell(), BEAT_MS)
    window.addEventListener('pagehide', this.close)
  }

  get over(): boolean {
    return this.ended
  }

  readonly close = (): void => {
    if (this.ended) return
    this.end()
    api.closeWatch(this.id, this.shown.take())
  }

  private async tell(): Promise<void> {
    if (this.asleep()) return this.close()
    try {
      await api.beatWatch(this.id, this.shown.take())
    } catch (reason) {
      if (reason instanceof ApiError && reason.status !== 0) this.end()
    }
  }

  private end(): void {
    this.ended = true
    clearInterval(this.timer)
    window.removeEventListener('pagehide', this.close)
  }
}

async function openKept(entry: Partial<WatchEntry> & Pick<WatchEntry, 'kind'>, asleep = () => false): Promise<Kept> {
  const watch = await api.openWatch({ source_ids: [], clip_ids: [], ...entry })
  return new Kept(watch.watch_id, watch.token, asleep)
}

/** A file of the ring that is played; closed with its player. */
export class FileWatch {
  private constructor(
    private readonly kept: Kept | null,
    private readonly sourceId: string,
  ) {}

  /** Raises: ApiError, if it may not be seen. */
  static async open(sourceId: string, startUs: number, endUs: number): Promise<FileWatch> {
    if (me.value?.local !== false) return new FileWatch(null, sourceId)
    const kept = await openKept({ kind: 'replay', source_ids: [sourceId], start_us: Math.floor(startUs), end_us: Math.ceil(endUs) })
    return new FileWatch(kept, sourceId)
  }

  urlOf(url: string): string {
    return watched(url, this.kept?.token ?? '')
  }

  note(us: number, rate: number): void {
    this.kept?.shown.note(this.sourceId, Math.round(us), rate)
  }

  close(): void {
    this.kept?.close()
  }
}

/** Stills of many sources at once: those that are asked for together are one watch. */
const stills = new Map<string, Promise<Kept | null>>()
let gathered: { sources: string[]; opened: Promise<Map<string, Kept>> } | null = null
let wantedAtMs = 0

/** The address of a still; null where it may not be seen. */
export async function stillUrl(sourceId: string, url: string): Promise<string | null> {
  if (me.value?.local !== false) return url
  wantedAtMs = performance.now()
  const known = await stills.get(sourceId)
  if (known && !known.over) return watched(url, known.token)
  const opening = gather(sourceId).then((opened) => opened.get(sourceId) ?? null)
  stills.set(sourceId, opening)
  const kept = await opening
  return kept && watched(url, kept.token)
}

/** A still is on the screen. */
export async function noteStill(sourceId: string, us: number): Promise<void> {
  const kept = await stills.get(sourceId)
  kept?.shown.note(sourceId, Math.round(us), 0)
}

function gather(sourceId: string): Promise<Map<string, Kept>> {
  if (!gathered || gathered.sources.length >= MOST) {
    const sources: string[] = []
    const opened = new Promise((resolve) => setTimeout(resolve, GATHER_MS)).then(() => {
      gathered = null
      return openAll(sources)
    })
    gathered = { sources, opened }
  }
  gathered.sources.push(sourceId)
  return gathered.opened
}

async function openAll(sources: string[]): Promise<Map<string, Kept>> {
  const asleep = (): boolean => performance.now() - wantedAtMs > STILLS_MS
  try {
    const kept = await openKept({ kind: 'live', source_ids: sources }, asleep)
    return new Map(sources.map((one) => [one, kept]))
  } catch (reason) {
    if (!(reason instanceof ApiError)) throw reason
    if (sources.length === 1) return new Map()
    const single = await Promise.all(sources.map((one) => openAll([one])))
    return new Map(single.flatMap((one) => [...one]))
  }
}

