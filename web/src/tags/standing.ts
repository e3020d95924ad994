import type { Tag } from '@/api/client'

/** Tags that hold: neither put right nor taken back. All others stay on record, and in lists. */
export function inForce<T extends Pick<Tag, 'replaced_by' | 'withdrawn'>>(tags: readonly T[]): T[] {
  return tags.filter((tag) => tag.replaced_by === null && !tag.withdrawn)
}

/** Tags as a list shows them: by moment, without rows that only take something back; what took it back stands with it. */
export function listed(tags: readonly Tag[]): { tag: Tag; later: Tag | null }[] {
  const byId = new Map(tags.map((tag) => [tag.id, tag]))
  return tags
    .filter((tag) => !tag.withdrawn)
    .map((tag) => ({ tag, later: (tag.replaced_by && byId.get(tag.replaced_by)) || null }))
    .sort((a, b) => a.tag.at_us - b.tag.at_us || a.tag.recorded_us - b.tag.recorded_us)
}
