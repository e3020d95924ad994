import { onScopeDispose, readonly, ref, type Ref } from 'vue'
import { api } from './client'

const DEBOUNCE_MS = 400

type Listener = () => void
const listeners = new Set<Listener>()
const connected = ref(false)
let stream: EventSource | null = null
let timer: ReturnType<typeof setTimeout> | null = null
let dropped = false

/** Whether the server's stream of changes is open, as the stream itself says. */
export const liveConnected: Readonly<Ref<boolean>> = readonly(connected)

/** Call `refetch` after the catalogue changed, several changes at once, and after a broken stream is back. */
export function onCatalogueChange(refetch: Listener): void {
  listeners.add(refetch)
  open()
  onScopeDispose(() => listeners.delete(refetch))
}

function open(): void {
  if (stream) return
  stream = api.changes()
  stream.addEventListener('open', opened)
  stream.addEventListener('error', lost)
  stream.addEventListener('changed', schedule)
}

function opened(): void {
  connected.value = true
  if (dropped) schedule()
  dropped = false
}

function lost(): void {
  connected.value = false
  dropped = true
  if (stream?.readyState !== EventSource.CLOSED) return
  stream = null
  setTimeout(open, 5000)
}

function schedule(): void {
  timer ??= setTimeout(() => {
    timer = null
    listeners.forEach((listener) => listener())
  }, DEBOUNCE_MS)
}
