import { describe, expect, it } from 'vitest'
import { bestColumns } from '@/wall/layout'
import { steer } from '@/wall/steer'

describe('steering an element', () => {
  it('leaves it alone within 30 ms', () => {
    expect(steer(0.03, 1)).toEqual({ seek: false, playbackRate: 1 })
    expect(steer(-0.02, 2)).toEqual({ seek: false, playbackRate: 2 })
  })

  it.each([0.05, 0.15, 0.25])('slows it by 5 to 10 %% when %s s ahead, and speeds it up when behind', (distance) => {
    const ahead = steer(distance, 1) as { playbackRate: number }
    const behind = steer(-distance, 1) as { playbackRate: number }
    expect(ahead.playbackRate).toBeGreaterThanOrEqual(0.9)
    expect(ahead.playbackRate).toBeLessThanOrEqual(0.95)
    expect(behind.playbackRate).toBeCloseTo(2 - ahead.playbackRate)
  })

  it('seeks beyond 250 ms', () => {
    expect(steer(0.251, 1)).toEqual({ seek: true })
    expect(steer(-0.3, 0.5)).toEqual({ seek: true })
  })

  it('allows twice the distance at high speed, never more', () => {
    expect(steer(0.45, 4).seek).toBe(false)
    expect(steer(0.51, 4).seek).toBe(true)
  })
})

describe('the grid', () => {
  it.each([
    [1, 1],
    [2, 2],
    [4, 2],
    [6, 3],
    [9, 3],
    [16, 6],
  ])('%d panes on a wide screen stand in %d columns', (count, columns) => {
    expect(bestColumns(count, 1920, 800)).toBe(columns)
  })

  it('stacks two panes on a tall screen', () => {
    expect(bestColumns(2, 800, 1200)).toBe(1)
  })
})
