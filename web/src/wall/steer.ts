/** How a media element is brought to the master clock. Pure. */

/** Within this, leave it alone. */
export const CLOSE_S = 0.03
/** Beyond this, changing the speed would take too long: seek. */
export const FAR_S = 0.25
/** Above this speed panes step from key frame to key frame. */
export const STEP_ABOVE = 4

export type Steer = { seek: true } | { seek: false; playbackRate: number }

/**
 * What to do with a playing element that is `aheadS` seconds of media ahead of the clock (negative: behind).
 *
 * Faster than 1x, distances are measured in the viewer's seconds up to a factor of two: starting an element costs
 * some tens of milliseconds of real time, and at 4x those are four times as much media.
 */
export function steer(aheadS: number, rate: number): Steer {
  const scale = Math.min(2, Math.max(1, rate))
  const distance = Math.abs(aheadS) / scale
  if (distance > FAR_S) return { seek: true }
  if (distance <= CLOSE_S) return { seek: false, playbackRate: rate }
  const strength = 0.05 + 0.05 * ((distance - CLOSE_S) / (FAR_S - CLOSE_S))
  return { seek: false, playbackRate: rate * (1 - Math.sign(aheadS) * strength) }
}
