/** The live wall: which source is in which pane, and what each pane shows. */

import { computed, reactive, shallowRef, type InjectionKey } from 'vue'
import type { Frame } from './frame'
import { atSeat, desktopsBeside, find, firstChoice, inRoom, layoutFor, LAYOUTS, type Layout, type Level, type LivePlace } from './places'
import { LivePlayer } from './player'
import { LiveSocket, type Lost, type Word } from './socket'

const TICK_MS = 50
const TICKS_A_WORD = 5 // times and ages are read by people
export const MOST_PANES = 16

export type PaneState = 'empty' | 'connecting' | 'playing' | 'lost' | 'refused' | 'unplayable' | 'busy'

export interface PaneView {
  readonly index: number
  place: LivePlace | null
  state: PaneState
  lost: Lost | null
  /** What the server says of a refusal. */
  message: string
  /** The picture is made on demand of what the source sends. */
  derived: boolean
  /** Key-frame groups that a slow line lost, since it was opened. */
  dropped: number
  /** Wall time of the picture on the screen, UTC microseconds. */
  frameUs: number | null
  /** How old it is by the server's clock; null while nothing is known. */
  ageMs: number | null
  /** Why there is no sound, once it was asked for. */
  silent: '' | 'none' | 'unplayable' | 'busy'
}

interface Pane {
  view: PaneView
  player: LivePlayer | null
  subscribedMs: number
  /** From asking to the first picture; null before it. */
  firstMs: number | null
}

interface Layer {
  level: Level
  layout: Layout
  sourceIds: (string | null)[]
}

/** What tagging and directives need of the picture that somebody looks at. */
export interface FocusedPicture {
  sourceId: string
  sessionId: string | null
  projectId: string | null
  /** Wall time of the picture on the screen, UTC microseconds; null while there is none. */
  pictureUs: number | null
}

export const LIVE_WALL: InjectionKey<LiveWall> = Symbol('live wall')

export class LiveWall {
  readonly panes: PaneView[] = []
  readonly view = reactive({ focused: 0, layout: 1 as Layout, level: 'wall' as Level, sound: null as number | null, connected: false, full: null as number | null })
  readonly places = shallowRef<readonly LivePlace[]>([])
  readonly focusedPlace = computed(() => this.panes[this.view.focused]?.place ?? null)
  readonly depth = computed(() => this.layers.length)
  private readonly held: Pane[] = []
  private readonly layers = reactive<Layer[]>([])
  private readonly socket: LiveSocket
  private soundPlayer: LivePlayer | null = null
  private ticks = 0
  private readonly timer = window.setInterval(() => this.tick(), TICK_MS)

  constructor() {
    for (let index = 0; index < MOST_PANES; index += 1) {
      const view = reactive<PaneView>({
        index, place: null, state: 'empty', lost: null, message: '', derived: false, dropped: 0, frameUs: null, ageMs: null, silent: '',
      })
      this.panes.push(view)
      this.held.push({ view, player: null, subscribedMs: 0, firstMs: null })
    }
    this.socket = new LiveSocket({
      word: (word) => this.heard(word),
      frame: (frame) => this.took(frame),
      connected: (connected) => (this.view.connected = connected),
    })
  }

  /** The element of a pane; `null` when it goes. */
  attach(index: number, video: HTMLVideoElement | null): void {
    const pane = this.held[index]!
    pane.player?.close()
    pane.player = video ? new LivePlayer(video) : null
    if (video && pane.view.place) this.ask(pane)
  }

  attachSound(audio: HTMLAudioElement | null): void {
    this.soundPlayer?.close()
    this.soundPlayer = audio ? new LivePlayer(audio) : null
  }

  stop(): void {
    window.clearInterval(this.timer)
    this.socket.close()
    this.held.forEach((pane) => pane.player?.close())
    this.soundPlayer?.close()
  }

  // What is shown where.

  /** New lists come again and again; what is shown stays, with what is known of it anew. */
  setPlaces(places: readonly LivePlace[]): void {
    const first = this.places.value.length === 0
    this.places.value = places
    for (const pane of this.panes) {
      if (pane.place) pane.place = find(places, pane.place.source.source_id) ?? pane.place
    }
    if (first && places.length > 0 && this.panes.every((pane) => pane.place === null)) this.fill()
  }

  /** Begin with the most telling pictures of what may be watched. */
  fill(most: Layout = 16): void {
    const chosen = firstChoice(this.places.value)
    const layout = layoutFor(chosen.length, most)
    this.layers.length = 0
    this.lay('wall', layout, chosen.slice(0, layout))
  }

  setLayout(layout: Layout): void {
    const shown = this.visible().flatMap((pane) => pane.place ?? [])
    const ids = new Set(shown.map((one) => one.source.source_id))
    const more = this.view.level === 'wall' ? firstChoice(this.places.value).filter((one) => !ids.has(one.source.source_id)) : []
    this.lay(this.view.level, layout, [...shown, ...more].slice(0, layout))
  }

  /** The next layout with more (1) or fewer (-1) panes. */
  stepLayout(by: 1 | -1): void {
    const next = LAYOUTS[LAYOUTS.indexOf(this.view.layout) + by]
    if (next) this.setLayout(next)
  }

  show(index: number, place: LivePlace): void {
    const pane = this.held[index]!
    if (pane.view.place?.source.source_id === place.source.source_id) {
      pane.view.place = place
      return
    }
    this.clear(pane)
    pane.view.place = place
    this.ask(pane)
  }

  /** Wall, room, seat, desktop: one step nearer to what a pane shows. */
  goNearer(index: number, to: Level): void {
    const place = this.panes[index]?.place
    if (!place) return
    const shown = to === 'room' ? inRoom(this.places.value, place) : to === 'seat' ? atSeat(this.places.value, place) : [place]
    this.remember()
    this.lay(to, layoutFor(shown.length), shown.slice(0, MOST_PANES))
  }

  goTo(places: readonly LivePlace[], level: Level): void {
    this.remember()
    this.lay(level, layoutFor(places.length), places.slice(0, MOST_PANES))
  }

  /** Back to where one came from; false at the wall itself. */
  goBack(): boolean {
    const before = this.layers.pop()
    if (!before) return false
    this.lay(before.level, before.layout, before.sourceIds.map((id) => (id === null ? null : find(this.places.value, id))))
    return true
  }

  /** To the desktop of the seat that a pane shows, and back to its face. */
  swapDesktop(index: number): void {
    const place = this.panes[index]?.place
    if (!place) return
    const others = place.source.seat_id === null ? desktopsBeside(this.places.value, place) : atSeat(this.places.value, place)
    const other = others.find((one) => one.source.source_id !== place.source.source_id)
    if (other) this.show(index, other)
  }

  visible(): PaneView[] {
    return this.panes.slice(0, this.view.layout)
  }

  listen(index: number | null): void {
    const next = this.view.sound === index ? null : index
    this.view.sound = next
    this.soundPlayer?.reset()
    for (const pane of this.panes) pane.silent = ''
    this.socket.listen(next)
  }

  focusedPicture(): FocusedPicture | null {
    const pane = this.panes[this.view.focused]
    if (!pane?.place) return null
    return {
      sourceId: pane.place.source.source_id,
      sessionId: pane.place.session?.session_id ?? null,
      projectId: pane.place.session?.project_id ?? null,
      pictureUs: pane.state === 'playing' ? (this.held[pane.index]!.player?.frameUs ?? null) : null,
    }
  }

  /** From asking for a pane's source to its first picture, milliseconds. */
  firstMs(index: number): number | null {
    return this.held[index]!.firstMs
  }

  private remember(): void {
    const sourceIds = this.visible().map((pane) => pane.place?.source.source_id ?? null)
    this.layers.push({ level: this.view.level, layout: this.view.layout, sourceIds })
  }

  /** Sources that are on the screen already stay in their elements' hands only where their place is the same. */
  private lay(level: Level, layout: Layout, places: readonly (LivePlace | null)[]): void {
    this.view.level = level
    this.view.layout = layout
    this.view.full = null
    this.view.focused = Math.min(this.view.focused, Math.max(0, places.length - 1))
    this.held.forEach((pane, index) => {
      const place = index < layout ? (places[index] ?? null) : null
      if (place) this.show(index, place)
      else this.clear(pane)
    })
  }

  private clear(pane: Pane): void {
    if (pane.view.place === null) return
    this.socket.unsubscribe(pane.view.index)
    pane.player?.reset()
    if (this.view.sound === pane.view.index) this.listen(null)
    pane.firstMs = null
    Object.assign(pane.view, { place: null, state: 'empty', lost: null, message: '', derived: false, dropped: 0, frameUs: null, ageMs: null, silent: '' })
  }

  private ask(pane: Pane): void {
    if (pane.player === null || pane.view.place === null) return
    pane.view.state = 'connecting'
    pane.subscribedMs = performance.now()
    this.socket.subscribe(pane.view.index, pane.view.place.source.source_id)
  }

  // What comes.

  private heard(word: Word): void {
    const pane = this.held[word.pane]
    if (!pane?.view.place) return
    const { view } = pane
    if (word.say === 'subscribed') {
      if (word.source_id !== view.place!.source.source_id) return
      pane.player?.reset()
      view.state = 'connecting'
      view.lost = null
    } else if (word.say === 'begins') {
      this.begins(pane, word)
    } else if (word.say === 'lost') {
      view.state = 'lost'
      view.lost = word
    } else if (word.say === 'found') {
      view.lost = null
      view.state = 'connecting'
    } else if (word.say === 'dropped') {
      view.dropped += word.groups
    } else if (word.say === 'unplayable' && word.sound) {
      view.silent = word.kind === '' ? 'none' : word.busy ? 'busy' : 'unplayable'
    } else if (word.say === 'unplayable') {
      view.state = word.busy ? 'busy' : 'unplayable'
    } else {
      view.state = 'refused'
      view.message = word.message
    }
  }

  private begins(pane: Pane, word: Extract<Word, { say: 'begins' }>): void {
    const player = word.sound ? this.soundPlayer : pane.player
    player?.begin(word.mime)
    if (word.sound) {
      pane.view.silent = player?.unplayable ? 'unplayable' : ''
      return
    }
    pane.view.derived = word.derived
    if (player?.unplayable) pane.view.state = 'unplayable'
  }

  private took(frame: Frame): void {
    const pane = this.held[frame.pane]
    if (!pane?.view.place) return
    if (!frame.sound) pane.player?.take(frame)
    else if (this.view.sound === frame.pane) this.soundPlayer?.take(frame)
  }

  private tick(): void {
    this.ticks += 1
    for (const pane of this.held.slice(0, this.view.layout)) {
      if (pane.player === null || pane.view.place === null) continue
      pane.player.tick()
      this.publish(pane, pane.player)
    }
    const heard = this.view.sound === null ? null : this.held[this.view.sound]!.player
    this.soundPlayer?.tick(heard?.frameUs ?? heard?.nowUs() ?? null)
  }

  private publish(pane: Pane, player: LivePlayer): void {
    const { view } = pane
    if (view.state === 'connecting' && player.frameUs !== null) {
      view.state = 'playing'
      pane.firstMs ??= performance.now() - pane.subscribedMs
    }
    if (this.ticks % TICKS_A_WORD > 0) return
    view.frameUs = player.frameUs
    const offset = this.socket.clockOffsetUs
    view.ageMs = player.frameUs === null || offset === null ? null : (Date.now() * 1000 + offset - player.frameUs) / 1000
  }
}
