/** The line of a file's bit rate and quality setting over time: pure. */

import type { Receipt } from '@/api/client'
import { kbps } from './division'

export interface Step {
  startUs: number
  endUs: number
  kbps: number
  crf: number
}

export function stepsOf(chunks: Receipt['chunks']): Step[] {
  return chunks
    .map((one) => ({ startUs: one.start_us, endUs: one.end_us, kbps: kbps(one.size_bytes, one.end_us - one.start_us) ?? 0, crf: one.crf }))
    .sort((a, b) => a.startUs - b.startUs)
}

/** A step line as an SVG path; where time is missing between two steps it is broken, never bridged. */
export function stepPath(steps: readonly Step[], x: (us: number) => number, y: (step: Step) => number): string {
  let path = ''
  let endUs: number | null = null
  for (const step of steps) {
    const [from, to, level] = [x(step.startUs), x(step.endUs), y(step)].map((one) => one.toFixed(1))
    path += `${step.startUs === endUs ? 'L' : 'M'}${from} ${level}L${to} ${level}`
    endUs = step.endUs
  }
  return path
}

/** The step at a moment, or null in a gap. */
export function stepAt(steps: readonly Step[], us: number): Step | null {
  return steps.find((step) => step.startUs <= us && us < step.endUs) ?? null
}

/** A round number at or above: where an axis ends. */
export function roundUp(value: number): number {
  if (value <= 0) return 1
  const unit = 10 ** Math.floor(Math.log10(value))
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((one) => one * unit >= value) ?? 10) * unit
}
