/** How the bytes of a project's archives are divided: pure. */

import type { Clip, ContentKind, ProjectDetail } from '@/api/client'
import { SECOND_US } from '@/format/beijing'

/** What a part of the bar is: a content kind, original segments, or what tells of all files (receipts, manifests). */
export type PartKind = ContentKind | 'originals' | 'beside'

/** The order of the bar and of its legend. */
export const PART_KINDS: readonly PartKind[] = [
  'room',
  'screen',
  'extraction_terminal',
  'seat_face',
  'seat_desktop',
  'supervision',
  'originals',
  'beside',
]

export interface Part {
  kind: PartKind
  /** The clip that a file shows; null for what is beside all files of a session. */
  clip: Clip | null
  id: string
  bytes: number
}

export interface KindTotal {
  kind: PartKind
  bytes: number
  files: number
  /** Of the footage in its files, where all of them tell. */
  kbps: number | null
}

export interface Division {
  budget: number
  size: number
  left: number
  over: number
  parts: Part[]
  kinds: KindTotal[]
}

/** Of the newest archive of each session; a session without one has no budget yet. */
export function divisionOf(project: Pick<ProjectDetail, 'sessions'>): Division {
  const parts: Part[] = []
  let budget = 0
  let size = 0
  for (const { id, archive, clips } of project.sessions) {
    if (!archive) continue
    budget += archive.budget_bytes
    size += archive.size_bytes
    const files = clips.filter((clip) => clip.size_bytes !== null)
    for (const clip of files) parts.push({ kind: clip.source.content_kind, clip, id: clip.id, bytes: clip.size_bytes! })
    const originals = archive.originals_bytes
    if (originals > 0) parts.push({ kind: 'originals', clip: null, id: `${id}-originals`, bytes: originals })
    const beside = archive.size_bytes - originals - files.reduce((sum, clip) => sum + clip.size_bytes!, 0)
    if (beside > 0) parts.push({ kind: 'beside', clip: null, id: `${id}-beside`, bytes: beside })
  }
  parts.sort((a, b) => PART_KINDS.indexOf(a.kind) - PART_KINDS.indexOf(b.kind))
  return { budget, size, left: Math.max(0, budget - size), over: Math.max(0, size - budget), parts, kinds: totals(parts) }
}

function totals(parts: Part[]): KindTotal[] {
  return PART_KINDS.map((kind) => {
    const own = parts.filter((part) => part.kind === kind)
    const bytes = own.reduce((sum, part) => sum + part.bytes, 0)
    const files = own.filter((part) => part.clip).length
    const us = own.map((part) => part.clip?.quality?.recorded_us ?? null)
    const known = us.every((one): one is number => one !== null)
    return { kind, bytes, files, kbps: known ? kbps(bytes, us.reduce((sum, one) => sum + one, 0)) : null }
  }).filter((total) => total.bytes > 0)
}

/** Mean bit rate in kbit/s of so many bytes over so much time; null where there is none. */
export function kbps(bytes: number, us: number): number | null {
  return us > 0 ? (bytes * 8) / 1000 / (us / SECOND_US) : null
}

/** Those that weigh the most, the heaviest first: who an overrun is due to. */
export function heaviest(clips: readonly Clip[], count: number): Clip[] {
  return clips
    .filter((clip) => clip.size_bytes !== null)
    .sort((a, b) => b.size_bytes! - a.size_bytes!)
    .slice(0, count)
}

/** `12.3 %`; what is there but less than a tenth is not told as nothing. */
export function percent(share: number): string {
  const value = share * 100
  if (value > 0 && value < 0.1) return '< 0.1 %'
  return `${value.toFixed(value < 99.95 ? 1 : 0)} %`
}
