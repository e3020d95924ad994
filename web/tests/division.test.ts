import { describe, expect, it } from 'vitest'
import type { Clip, ContentKind, Quality, Session } from '@/api/client'
import { divisionOf, heaviest, kbps, percent } from '@/pages/project/division'
import { roundUp, stepAt, stepPath, stepsOf } from '@/pages/project/receiptChart'
import { madeClip, S } from './made'

const measured: Quality = {
  recorded_us: 100 * S,
  frames: 10,
  frames_seen: 20,
  vmaf_mean: 90,
  vmaf_p5: 80,
  text_agreement: null,
  vmaf_floor: 70,
  vmaf_clear: 82.5,
  vmaf_ceiling: 95,
  text_floor: null,
  floors_reached: true,
  grade: 'clear',
}

function file(id: string, kind: ContentKind, bytes: number | null, quality: Quality | null = measured): Clip {
  const clip = madeClip(id, 0, 100, [], { size_bytes: bytes, quality })
  return { ...clip, source: { ...clip.source, id, content_kind: kind } }
}

function session(id: string, clips: Clip[], size: number, budget: number, originals = 0): Session {
  const archive = {
    id: `a-${id}`,
    version: 1,
    size_bytes: size,
    budget_bytes: budget,
    raw_bytes: 0,
    verified_us: 0,
    object_count: 1,
    originals_bytes: originals,
    overrun_cause: '' as const,
    overrun_reason: '',
  }
  return { id, clips, archive: budget ? archive : null } as Session
}

describe('the division of a budget', () => {
  const project = {
    sessions: [
      session('O', [file('hall', 'room', 300), file('screen', 'screen', 100)], 450, 1000),
      session('E', [file('face', 'seat_face', 200), file('desk', 'seat_desktop', 250)], 480, 500),
      session('X', [file('later', 'room', null)], 0, 0),
    ],
  }

  it('adds up to what is stored: nothing is left out of the bar', () => {
    const { size, parts, kinds } = divisionOf(project)
    expect(size).toBe(930)
    expect(parts.reduce((sum, part) => sum + part.bytes, 0)).toBe(930)
    expect(kinds.reduce((sum, kind) => sum + kind.bytes, 0)).toBe(930)
  })

  it('names what lies beside the files by itself', () => {
    expect(divisionOf(project).kinds.at(-1)).toEqual({ kind: 'beside', bytes: 80, files: 0, kbps: null })
  })

  it('keeps files of one kind together', () => {
    expect(divisionOf(project).parts.map((part) => part.kind)).toEqual(['room', 'screen', 'seat_face', 'seat_desktop', 'beside', 'beside'])
  })

  it('says what is left, or what is over, never both', () => {
    expect(divisionOf(project)).toMatchObject({ budget: 1500, left: 570, over: 0 })
    const over = divisionOf({ sessions: [session('O', [file('hall', 'room', 300)], 310, 200)] })
    expect(over).toMatchObject({ left: 0, over: 110 })
  })

  it('does not count a session that is not archived yet', () => {
    expect(divisionOf({ sessions: [project.sessions[2]!] })).toMatchObject({ budget: 0, size: 0, parts: [] })
  })

  it('tells no mean rate of a kind where one file does not tell how much footage it has', () => {
    const mixed = [session('O', [file('a', 'room', 300), file('b', 'room', 300, null)], 600, 1000)]
    expect(divisionOf({ sessions: mixed }).kinds[0]!.kbps).toBeNull()
    expect(divisionOf({ sessions: [project.sessions[0]!] }).kinds[0]!.kbps).toBeCloseTo(0.024)
  })

  it('names the heaviest files first, and none that is not there', () => {
    const clips = [file('a', 'room', 5), file('b', 'room', null), file('c', 'room', 9), file('d', 'room', 7)]
    expect(heaviest(clips, 2).map((clip) => clip.id)).toEqual(['c', 'd'])
  })
})

describe('figures of a file', () => {
  it('have no rate without footage', () => {
    expect(kbps(1000, 0)).toBeNull()
    expect(kbps(125_000, 10 * S)).toBe(100)
  })

  it('do not call nothing what is little', () => {
    expect([0, 0.0004, 0.1234, 0.9996, 1.57].map(percent)).toEqual(['0.0 %', '< 0.1 %', '12.3 %', '100 %', '157 %'])
  })
})

describe('the line of a receipt', () => {
  const chunk = (start: number, end: number, bytes: number, crf: number) => ({ start_us: start * S, end_us: end * S, size_bytes: bytes, crf })
  const steps = stepsOf([chunk(40, 80, 500_000, 38), chunk(0, 40, 250_000, 45), chunk(90, 120, 300_000, 40)])

  it('goes from step to step, and never over a gap', () => {
    const path = stepPath(steps, (us) => us / S, (step) => step.crf)
    expect(path).toBe('M0.0 45.0L40.0 45.0L40.0 38.0L80.0 38.0M90.0 40.0L120.0 40.0')
  })

  it('says nothing of a moment in a gap', () => {
    expect(stepAt(steps, 50 * S)).toMatchObject({ kbps: 100, crf: 38 })
    expect(stepAt(steps, 85 * S)).toBeNull()
  })

  it('ends its axis at a round number above', () => {
    expect([0, 0.7, 4.1, 120, 150, 151, 999].map(roundUp)).toEqual([1, 0.8, 5, 150, 150, 200, 1000])
  })
})
