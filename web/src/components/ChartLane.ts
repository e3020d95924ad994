/** What a row of the time chart shows. */
export interface ChartLane {
  id: string
  label: string
  note?: string
  recorded: { startUs: number; endUs: number }[]
  gaps: { startUs: number; endUs: number; text: string }[]
  /** Parts of what was recorded that were fetched afterwards. */
  backfilled: { startUs: number; endUs: number; text: string }[]
}

export interface ChartEvent {
  atUs: number
  text: string
}
