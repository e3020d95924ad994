/** The one file that knows URLs. */

import type { components, operations } from './schema'

type Schemas = components['schemas']
export type Region = Schemas['RegionPublic']
export type Industry = Schemas['IndustryPublic']
export type Project = Schemas['ProjectPublic']
export type ProjectPage = Schemas['ProjectPage']
export type ProjectDetail = Schemas['ProjectDetail']
export type Session = Schemas['SessionPublic']
export type Source = Schemas['SourcePublic']
export type Clip = Schemas['ClipPublic']
export type ClipGap = Schemas['ClipGapPublic']
export type TimelineEvent = Schemas['EventPublic']
export type Quality = Schemas['QualityPublic']
export type Receipt = Schemas['ReceiptPublic']
export type Fleet = Schemas['FleetPublic']
export type Archive = Schemas['ArchivePublic']
export type Progress = Schemas['ProgressPublic']
export type RenditionIndex = Schemas['RenditionIndex']
export type Fragment = Schemas['FragmentPublic']
export type GapCause = Schemas['GapCause']
export type Phase = Schemas['Phase']
export type SessionState = Schemas['SessionState']
export type SourceState = Schemas['SourceState']
export type ContentKind = Schemas['ContentKind']
export type SourcesOverview = Schemas['SourcesOverview']
export type SourceStatus = Schemas['SourceStatusPublic']
export type SourceDetail = Schemas['SourceDetail']
export type Segment = Schemas['SegmentPublic']
export type Gap = Schemas['GapPublic']
export type Run = Schemas['RunPublic']
export type Disk = Schemas['DiskPublic']
export type Shortfall = Schemas['Shortfall']
export type ProjectTimeline = Schemas['ProjectTimeline']
export type TimelineSession = Schemas['TimelineSessionPublic']
export type TimelineEntry = Schemas['TimelineEventPublic']
export type EventKind = Schemas['EventKindPublic']
export type EventByHand = Schemas['EventByHand']
export type EventEntered = Schemas['EventEntered']
export type Notice = Schemas['Notice']
export type Reporter = Schemas['ReporterPublic']
export type Seating = Schemas['SeatingPublic']
export type SeatingByHand = Schemas['SeatingByHand']
export type Effect = Schemas['Effect']
export type Fault = Schemas['Fault']
export type Checkup = Schemas['CheckupPublic']
export type Booking = Schemas['BookingPublic']
export type BookingRequest = Schemas['BookingRequest']
export type Hold = Schemas['HoldPublic']
export type HoldMade = Schemas['HoldMade']
export type HoldRequest = Schemas['HoldRequest']
export type ProjectDocument = Schemas['DocumentPublic']
export type DocumentTaken = Schemas['DocumentTaken']

/** What a document may be, in the order in which people are asked. */
export const documentKinds: readonly ProjectDocument['kind'][] = [
  'opening_record',
  'extraction_record',
  'witness_sheet',
  'evaluation_report',
  'sign_in_sheet',
  'handover_list',
  'other',
]

export type Preserved = Schemas['PreservedPublic']
export type Statistics = Schemas['StatisticsPublic']
export type StatisticsCell = Schemas['CellPublic']
export type Figures = Schemas['FiguresPublic']

export type Count = Schemas['CountPublic']
export type Matched = Schemas['MatchedPublic']
export type ProjectHit = Schemas['ProjectHitPublic']
export type ProjectHits = Schemas['ProjectHits']
export type ClipHit = Schemas['ClipHitPublic']
export type ClipHits = Schemas['ClipHits']
export type Facet = Schemas['FacetPublic']
export type Facets = Schemas['FacetsPublic']
export type DayFound = Schemas['DayPublic']
export type SavedSearch = Schemas['SavedSearchPublic']

/** What a search is narrowed by, by the names that the server has for it. */
export type SearchQuery = NonNullable<operations['facets_api_search_facets_get']['parameters']['query']>

/** `page`: the mark that came with the page before. */
export interface Paging {
  page?: string
  limit: number
}

/** Months as `2026-03`. */
export interface StatisticsQuery {
  date_from?: string
  date_to?: string
  region?: string
  industry?: string
}

export interface ProjectQuery {
  region?: string
  industry?: string
  date_from?: string
  date_to?: string
  offset: number
  limit: number
}

/** Without times: the last 24 hours. */
export interface SourceQuery {
  start_us?: number
  end_us?: number
  limit?: number
}

/** The server refused or could not be reached; `message` is for people, empty when it said nothing. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** Which refusal it is, where the server tells them apart. */
    readonly code = '',
  ) {
    super(message)
    this.name = 'ApiError'
  }
}

export const api = {
  regions: () => getJson<Region[]>('/api/regions'),
  industries: () => getJson<Industry[]>('/api/industries'),
  projects: (query: ProjectQuery, signal?: AbortSignal) =>
    getJson<ProjectPage>(`/api/projects?${queryString({ ...query })}`, signal),
  fleet: (signal?: AbortSignal) => getJson<Fleet>('/api/fleet', signal),
  project: (id: string) => getJson<ProjectDetail>(`/api/projects/${encodeURIComponent(id)}`),
  session: (id: string) => getJson<Session>(`/api/sessions/${encodeURIComponent(id)}`),
  renditionIndex: (id: string) => getJson<RenditionIndex>(`/api/renditions/${encodeURIComponent(id)}/index`),
  receipt: (renditionId: string, signal?: AbortSignal) =>
    getJson<Receipt>(`/api/renditions/${encodeURIComponent(renditionId)}/receipt`, signal),
  sources: (signal?: AbortSignal) => getJson<SourcesOverview>('/api/sources', signal),
  source: (id: string, query: SourceQuery, signal?: AbortSignal) =>
    getJson<SourceDetail>(`/api/sources/${encodeURIComponent(id)}?${queryString({ ...query })}`, signal),
  timeline: (projectId: string, signal?: AbortSignal) =>
    getJson<ProjectTimeline>(`/api/projects/${encodeURIComponent(projectId)}/timeline`, signal),
  eventKinds: () => getJson<EventKind[]>('/api/event-kinds'),
  /** Add an event, put one right or take it back; both stay on record. */
  enterEvent: (sessionId: string, event: EventByHand) =>
    postJson<EventEntered>(`/api/sessions/${encodeURIComponent(sessionId)}/events`, event),
  /** Say who sat where, or put it right; what was said before stays on record. */
  enterSeating: (sessionId: string, told: SeatingByHand) =>
    postJson<Seating[]>(`/api/sessions/${encodeURIComponent(sessionId)}/seatings`, told),
  newestCheckups: (signal?: AbortSignal) => getJson<Checkup[]>('/api/checkups', signal),
  /** Takes some seconds. */
  checkUp: (roomId: string, principal: string) =>
    postJson<Checkup>(`/api/rooms/${encodeURIComponent(roomId)}/checkups`, { principal }),
  overrideCheckup: (id: string, name: string, reason: string) =>
    postJson<Checkup>(`/api/checkups/${encodeURIComponent(id)}/override`, { name, reason }),
  bookings: (signal?: AbortSignal) => getJson<Booking[]>('/api/bookings', signal),
  book: (booking: BookingRequest) => postJson<Booking>('/api/bookings', booking),
  cancelBooking: (id: string, principal: string) =>
    postJson<null>(`/api/bookings/${encodeURIComponent(id)}/cancel`, { principal }),
  holds: (sourceId: string, signal?: AbortSignal) => getJson<Hold[]>(`/api/holds?${queryString({ source_id: sourceId })}`, signal),
  hold: (hold: HoldRequest) => postJson<HoldMade>('/api/holds', hold),
  releaseHold: (id: string, principal: string, reason: string) =>
    postJson<Hold>(`/api/holds/${encodeURIComponent(id)}/release`, { principal, reason }),
  documents: (projectId: string) => getJson<ProjectDocument[]>(`/api/projects/${encodeURIComponent(projectId)}/documents`),
  bringDocument: async (projectId: string, form: FormData) => {
    const response = await request(`/api/projects/${encodeURIComponent(projectId)}/documents`, { method: 'POST', body: form })
    return (await response.json()) as DocumentTaken
  },
  cardPage: (projectId: string) => `/api/projects/${encodeURIComponent(projectId)}/card.html`,
  preservation: (signal?: AbortSignal) => getJson<Preserved>('/api/preservation', signal),
  statistics: (query: StatisticsQuery, signal?: AbortSignal) =>
    getJson<Statistics>(`/api/statistics?${queryString({ ...query })}`, signal),
  statisticsFile: (query: StatisticsQuery) => `/api/statistics.csv?${queryString({ ...query })}`,
  searchProjects: (query: SearchQuery, paging: Paging, signal?: AbortSignal) =>
    getJson<ProjectHits>(`/api/search/projects?${queryString({ ...query, ...paging })}`, signal),
  searchClips: (query: SearchQuery, paging: Paging, signal?: AbortSignal) =>
    getJson<ClipHits>(`/api/search/clips?${queryString({ ...query, ...paging })}`, signal),
  searchFacets: (query: SearchQuery, signal?: AbortSignal) => getJson<Facets>(`/api/search/facets?${queryString({ ...query })}`, signal),
  /** Days of a month that have footage, whatever days the query asks for. */
  searchCalendar: (query: SearchQuery, year: number, month: number, signal?: AbortSignal) =>
    getJson<DayFound[]>(`/api/search/calendar?${queryString({ ...query, year, month })}`, signal),
  savedSearches: (principal: string, signal?: AbortSignal) =>
    getJson<SavedSearch[]>(`/api/saved-searches?${queryString({ principal })}`, signal),
  saveSearch: (principal: string, name: string, query: SearchQuery) =>
    postJson<SavedSearch>('/api/saved-searches', { principal, name, query }),
  forgetSearch: (principal: string, id: string) =>
    request(`/api/saved-searches/${encodeURIComponent(id)}?${queryString({ principal })}`, { method: 'DELETE' }),
  /** Server-sent events; `changed` comes whenever the catalogue changed. */
  changes: () => new EventSource('/api/changes'),
}

/** Bytes `start` (inclusive) to `end` (exclusive) of a rendition. */
export async function getBytes(url: string, start: number, end: number, signal: AbortSignal): Promise<ArrayBuffer> {
  const response = await request(url, { signal, headers: { Range: `bytes=${start}-${end - 1}` } })
  const body = await response.arrayBuffer()
  if (response.status === 206 && body.byteLength === end - start) return body
  if (response.status === 200 && body.byteLength >= end) return body.slice(start, end)
  throw new ApiError(response.status, '')
}

async function getJson<T>(url: string, signal?: AbortSignal): Promise<T> {
  const response = await request(url, { signal, headers: { Accept: 'application/json' } })
  return (await response.json()) as T
}

async function postJson<T>(url: string, body: unknown): Promise<T> {
  const headers = { Accept: 'application/json', 'Content-Type': 'application/json' }
  const response = await request(url, { method: 'POST', headers, body: JSON.stringify(body) })
  return (response.status === 204 ? null : await response.json()) as T
}

async function request(url: string, init: RequestInit): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, init)
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiError(0, '')
  }
  if (!response.ok) throw await errorOf(response)
  return response
}

async function errorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as unknown
  return new ApiError(response.status, textOf(body), codeOf(body))
}

function codeOf(body: unknown): string {
  const { code } = ((body as { detail?: unknown } | null)?.detail ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/** What an error body says to people: `detail` as text, or a message with its hint. */
export function textOf(body: unknown): string {
  if (typeof body === 'string') return body
  if (typeof body !== 'object' || body === null) return ''
  const { detail, message_zh, message, hint } = body as Record<string, unknown>
  if (detail !== undefined) return textOf(detail)
  return [message_zh ?? message, hint].filter((part): part is string => typeof part === 'string' && part !== '').join(' ')
}

function queryString(values: Record<string, string | number | boolean | readonly string[] | null | undefined>): string {
  const query = new URLSearchParams()
  for (const [key, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== null && one !== '') query.append(key, String(one))
    }
  }
  return query.toString()
}
