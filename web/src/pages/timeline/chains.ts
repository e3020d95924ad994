/** Events with what was put right: an event that replaces another stands for both. */

import type { TimelineEntry } from '@/api/client'

export interface Chain {
  /** What was said last; the withdrawal, where it was taken back. */
  head: TimelineEntry
  /** What was said before, newest first; each one was replaced by the one before it. */
  past: TimelineEntry[]
  /** What it is about: the head, or what a withdrawal took back. */
  shown: TimelineEntry
  withdrawn: boolean
}

/** One chain for each thing that happened or was said to have happened, by time. */
export function chainsOf(events: readonly TimelineEntry[]): Chain[] {
  const byId = new Map(events.map((event) => [event.id, event]))
  const chains = events.filter((event) => event.replaced_by === null).map((head) => {
    const past: TimelineEntry[] = []
    for (let old = byId.get(head.replaces ?? ''); old; old = byId.get(old.replaces ?? '')) past.push(old)
    return { head, past, shown: head.withdrawn ? (past[0] ?? head) : head, withdrawn: head.withdrawn }
  })
  return chains.sort((a, b) => a.shown.at_us - b.shown.at_us || a.head.recorded_us - b.head.recorded_us)
}

/** The events that hold. */
export function inForce(events: readonly TimelineEntry[]): TimelineEntry[] {
  return chainsOf(events).filter((chain) => !chain.withdrawn).map((chain) => chain.head)
}

/** The chain that an event of any age belongs to. */
export function chainWith(chains: readonly Chain[], id: string | null): Chain | undefined {
  return chains.find((chain) => [chain.head, ...chain.past].some((event) => event.id === id))
}
