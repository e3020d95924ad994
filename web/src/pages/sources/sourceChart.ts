/** A source's time as lanes of the time chart. */

import type { Gap, SourceDetail } from '@/api/client'
import type { ChartLane } from '@/components/ChartLane'
import { i18n } from '@/i18n'

type Origin = SourceDetail['stretches'][number]['origin']

export const HOUR_US = 3_600_000_000
export const DAY_US = 24 * HOUR_US
const BEIJING_US = 8 * HOUR_US

/** What came live in one lane, together with the gaps; what came otherwise in lanes below, only where there is any. */
export function lanesOf(detail: SourceDetail): ChartLane[] {
  const origins = new Set<Origin>(['live', ...detail.stretches.map((one) => one.origin)])
  return [...origins].map((origin) => ({
    id: origin,
    label: i18n.global.t(`sources.origins.${origin}`),
    recorded: detail.stretches
      .filter((one) => one.origin === origin)
      .map((one) => ({ startUs: one.start_us, endUs: one.end_us })),
    backfilled: origin === 'backfill' ? detail.stretches.filter((one) => one.origin === origin).map(laneBackfill) : [],
    gaps: origin === 'live' ? detail.gaps.map((gap) => laneGap(gap, detail.at_us)) : [],
  }))
}

function laneGap(gap: Gap, atUs: number): ChartLane['gaps'][number] {
  const told = gap.backfill === 'none' ? '' : ` · ${i18n.global.t(`sources.backfills.${gap.backfill}`)}`
  return { startUs: gap.start_us, endUs: gap.end_us ?? atUs, text: `${i18n.global.t(`cause.${gap.cause}`)}${told}` }
}

function laneBackfill(one: SourceDetail['stretches'][number]): ChartLane['backfilled'][number] {
  return { startUs: one.start_us, endUs: one.end_us, text: i18n.global.t('project.backfilled') }
}

/** The Beijing day of a moment. */
export function dayOf(us: number): { start_us: number; end_us: number } {
  const start = Math.floor((us + BEIJING_US) / DAY_US) * DAY_US - BEIJING_US
  return { start_us: start, end_us: start + DAY_US }
}

const CODECS: Record<string, string> = { h264: 'H.264', h265: 'H.265', mjpeg: 'MJPEG' }

export function codecName(codec: string): string {
  return CODECS[codec] ?? (codec || '—')
}

/** Whether every browser decodes it; of the others only trying tells. */
export function decodable(codec: string): boolean {
  return codec !== 'h265' && codec !== 'mjpeg'
}
