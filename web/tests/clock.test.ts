import { beforeEach, describe, expect, it } from 'vitest'
import { MasterClock } from '@/wall/clock'

const RANGE = { startUs: 1_000_000_000, endUs: 1_060_000_000 }

describe('the master clock', () => {
  let nowMs = 0
  let clock: MasterClock

  beforeEach(() => {
    nowMs = 5000
    clock = new MasterClock(RANGE, () => nowMs)
  })

  function pass(ms: number, confirmed = true): number {
    nowMs += ms
    return clock.advance(confirmed)
  }

  function started(): void {
    clock.play()
    clock.advance(true)
  }

  it('stands still until it is told to play', () => {
    clock.advance(true)
    expect(pass(100)).toBe(RANGE.startUs)
  })

  it('moves with real time', () => {
    started()
    expect(pass(16)).toBe(RANGE.startUs + 16_000)
    expect(pass(17)).toBe(RANGE.startUs + 33_000)
  })

  it('moves at its rate, and a new rate does not move what has passed', () => {
    started()
    pass(100)
    clock.setRate(4)
    expect(pass(100)).toBe(RANGE.startUs + 500_000)
  })

  it('does not count the time before play was pressed', () => {
    clock.advance(true)
    nowMs += 60_000
    clock.play()
    expect(clock.advance(true)).toBe(RANGE.startUs)
  })

  it('holds while panes do not confirm, and does not catch up afterwards', () => {
    started()
    pass(100)
    pass(200, false)
    pass(200, false)
    expect(pass(50)).toBe(RANGE.startUs + 150_000)
    expect(clock.playing).toBe(true)
  })

  it('does not leap after the page slept', () => {
    started()
    expect(pass(30_000)).toBe(RANGE.startUs + 250_000)
  })

  it('does not go back when real time does', () => {
    started()
    pass(100)
    nowMs -= 1000
    expect(clock.advance(true)).toBe(RANGE.startUs + 100_000)
  })

  it('stops at the end and starts over when played again', () => {
    started()
    clock.seek(RANGE.endUs - 50_000)
    clock.advance(true)
    expect(pass(200)).toBe(RANGE.endUs)
    expect(clock.playing).toBe(false)
    clock.play()
    expect(clock.positionUs).toBe(RANGE.startUs)
  })

  it('stays inside the session when sought outside', () => {
    clock.seek(0)
    expect(clock.positionUs).toBe(RANGE.startUs)
    clock.seek(9e15)
    expect(clock.positionUs).toBe(RANGE.endUs)
  })

  it('keeps whole microseconds', () => {
    clock.seek(RANGE.startUs + 0.4)
    started()
    clock.setRate(0.5)
    expect(Number.isInteger(pass(16.667))).toBe(true)
  })

  it('refuses a rate that is not positive', () => {
    expect(() => clock.setRate(0)).toThrow(RangeError)
  })
})
