/** What a tag is about: the frame on the screen, as the wall tells it, live or in replay. */
export interface TagMoment {
  sessionId: string
  /** The focused pane's; null where none is. */
  sourceId: string | null
  /** Wall time of the frame, UTC microseconds: not the moment of the click. */
  wallUs: number
  /** What the pane is called. */
  label?: string
  seatOrdinal?: number | null
}
