/** The one socket of a page: what panes want goes out, what they get comes in. Reconnects by itself. */

import { liveSocketUrl } from '@/api/client'
import { readFrame, type Frame } from './frame'

export interface Lost {
  since_us: number | null
  shortfall: string | null
  fault: string | null
  detail: string
}

/** What the server says of a pane. */
export type Word =
  | { say: 'subscribed'; pane: number; source_id: string }
  | { say: 'begins'; pane: number; mime: string; sound: boolean; derived: boolean }
  | ({ say: 'lost'; pane: number } & Lost)
  | { say: 'found'; pane: number }
  | { say: 'refused'; pane: number; code: string; message: string }
  | { say: 'unplayable'; pane: number; kind: string; sound: boolean; busy: boolean }
  | { say: 'dropped'; pane: number; groups: number }

export interface Hears {
  word(word: Word): void
  frame(frame: Frame): void
  connected(connected: boolean): void
}

const TOLD_EVERY_MS = 200
const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 8000
/** Kinds of sample entry, and one codec of each that says whether the browser plays it. */
const KINDS: Record<string, string> = { avc1: 'avc1.640028', hvc1: 'hvc1.1.6.L120.B0' }

export class LiveSocket {
  /** Server clock minus this browser's, microseconds, as near as the line tells. */
  clockOffsetUs: number | null = null
  private socket: WebSocket | null = null
  private readonly wanted = new Map<number, string>()
  private listening: number | null = null
  private bytes = 0
  private toldBytes = 0
  private pauseMs = FIRST_PAUSE_MS
  private closed = false
  private readonly timer = window.setInterval(() => this.tell(), TOLD_EVERY_MS)

  constructor(private readonly hears: Hears) {
    this.connect()
  }

  subscribe(pane: number, sourceId: string): void {
    this.wanted.set(pane, sourceId)
    this.send({ do: 'subscribe', pane, source_id: sourceId, plays: plays() })
    if (this.listening === pane) this.send({ do: 'listen', pane })
  }

  unsubscribe(pane: number): void {
    if (this.wanted.delete(pane)) this.send({ do: 'unsubscribe', pane })
  }

  listen(pane: number | null): void {
    this.listening = pane
    this.send({ do: 'listen', pane })
  }

  close(): void {
    this.closed = true
    window.clearInterval(this.timer)
    this.socket?.close()
  }

  private connect(): void {
    const socket = new WebSocket(liveSocketUrl())
    this.socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => this.opened()
    socket.onclose = () => this.lost(socket)
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.heard(data)
  }

  private opened(): void {
    this.bytes = this.toldBytes = 0
    this.pauseMs = FIRST_PAUSE_MS
    this.clockOffsetUs = null
    this.hears.connected(true)
    for (const [pane, sourceId] of this.wanted) this.subscribe(pane, sourceId)
  }

  private lost(socket: WebSocket): void {
    if (this.socket !== socket || this.closed) return
    this.socket = null
    this.hears.connected(false)
    window.setTimeout(() => !this.closed && this.connect(), this.pauseMs)
    this.pauseMs = Math.min(LONGEST_PAUSE_MS, this.pauseMs * 2)
  }

  private heard(data: string | ArrayBuffer): void {
    if (typeof data !== 'string') {
      this.bytes += data.byteLength
      const frame = readFrame(data)
      if (frame) this.hears.frame(frame)
      return
    }
    const word = JSON.parse(data) as Word | { say: 'time'; at_us: number }
    if (word.say === 'time') this.setClock(word.at_us)
    else this.hears.word(word)
  }

  /** The word that was under way for the shortest time tells the difference best. */
  private setClock(atUs: number): void {
    const offset = atUs - Date.now() * 1000
    this.clockOffsetUs = Math.max(offset, this.clockOffsetUs ?? -Infinity)
  }

  /** The server sends no more than what was told of: what is not taken waits there, where it can be left out. */
  private tell(): void {
    if (this.bytes === this.toldBytes) return
    this.toldBytes = this.bytes
    this.send({ do: 'got', bytes: this.bytes })
  }

  private send(order: object): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(order))
  }
}

function plays(): string[] {
  return Object.entries(KINDS).flatMap(([kind, codec]) => (MediaSource.isTypeSupported(`video/mp4; codecs="${codec}"`) ? [kind] : []))
}
