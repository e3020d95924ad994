/** The one file that knows URLs. */

import { i18n } from '@/i18n'
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
export type Tag = Schemas['TagPublic']
export type WatchLogPage = Schemas['WatchLogPage']
export type LoggedWatch = Schemas['LoggedWatchPublic']
export type Unwatched = Schemas['UnwatchedPublic']
export type Supervision = Schemas['SupervisionPublic']
export type ProjectWatchLog = Schemas['ProjectWatchLog']
export type RefusedWatches = Schemas['RefusedWatches']
export type UseRequest = Schemas['UseRequestPublic']
export type UseRequestEntry = Schemas['UseRequestEntry']
export type TagEntered = Schemas['TagEntered']
export type TagWords = Schemas['TagWordsPublic']
export type TagKind = Schemas['TagKindPublic']
export type TagSeverity = Schemas['SeverityPublic']
export type TagByHand = Schemas['TagByHand']
export type TagCorrection = Schemas['TagCorrection']
export type Today = Schemas['TodayPublic']
export type TodayProject = Schemas['TodayProjectPublic']
export type TodaySession = Schemas['TodaySessionPublic']
export type TodayAlert = Schemas['AlertBrief']
export type Venue = Schemas['VenuePublic']
export type WitnessRecord = Schemas['WitnessRecordPublic']
export type WitnessEntryByHand = Schemas['WitnessEntryByHand']
export type TimelineEntry = Schemas['TimelineEventPublic']
export type Directive = Schemas['DirectivePublic']
export type DirectiveEntry = Schemas['DirectiveEntry']
export type DirectiveKind = Schemas['DirectiveKind']
export type ProjectDirectives = Schemas['ProjectDirectives']
export type Attention = Schemas['Attention']
export type Presence = Schemas['PresencePublic']
export type PresenceEntry = Schemas['PresenceEntry']
export type ProjectPresence = Schemas['ProjectPresence']
export type Alert = Schemas['AlertPublic']
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
export type HoldAct = Schemas['ActMade']
export type HoldRequest = Schemas['HoldRequest']
export type LiveSources = Schemas['LiveSources']
export type LiveSession = Schemas['LiveSessionPublic']
export type LiveRoom = Schemas['LiveRoomPublic']
export type LiveSource = Schemas['LiveSourcePublic']
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

export type Watch = Schemas['WatchPublic']
export type WatchEntry = Schemas['WatchEntry']
export type Shown = Schemas['ShownEntry']

export type Preserved = Schemas['PreservedPublic']
export type Statistics = Schemas['StatisticsPublic']
export type StatisticsCell = Schemas['CellPublic']
export type Figures = Schemas['FiguresPublic']

export type Me = Schemas['Me']
export type Ways = Schemas['Ways']
export type Role = Schemas['Role']
export type SignInAsked = Schemas['SignInAsked']
export type BeginLink = Schemas['LinkPublic']
export type Beginning = Schemas['Beginning']
export type Factor = Schemas['FactorPublic']
export type FactorOffer = Schemas['FactorOffer']
export type Login = Schemas['LoginPublic']
export type Accounts = Schemas['AccountsPublic']
export type Account = Schemas['AccountPublic']
export type AccountNew = Schemas['AccountNew']
export type AccountNames = Schemas['AccountNames']
export type Assignment = Schemas['Assignment']
export type Invitation = Schemas['Invitation']
export type AuditPage = Schemas['AuditPage']
export type AuditRecord = Schemas['AuditRecordPublic']

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

/** When somebody looked, and when what he looked at happened. */
export interface WatchLogQuery {
  account?: string
  project_id?: string
  kind?: 'live' | 'replay'
  from_us?: number
  to_us?: number
  before?: string | null
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

export interface AuditQuery {
  principal?: string
  subject?: string
  action?: string
  since_us?: number
  until_us?: number
  before?: number
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
  /** `watch`: the token of the watch that it is for. */
  renditionIndex: (id: string, watch = '') =>
    getJson<RenditionIndex>(watched(`/api/renditions/${encodeURIComponent(id)}/index`, watch)),
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
  /** A Beijing day such as `2026-03-09`; empty: today. */
  today: (day: string, signal?: AbortSignal) => getJson<Today>(`/api/today?${queryString({ day })}`, signal),
  tagWords: () => getJson<TagWords>('/api/tag-kinds'),
  tagsOf: (sessionId: string) => getJson<Tag[]>(`/api/sessions/${encodeURIComponent(sessionId)}/tags`),
  /** Mark a moment. An irregularity holds its footage and tells the supervisor; refused, nothing of it was kept. */
  addTag: (sessionId: string, tag: TagByHand) => postJson<TagEntered>(`/api/sessions/${encodeURIComponent(sessionId)}/tags`, tag),
  /** Both stay on record. */
  correctTag: (id: string, tag: TagCorrection) => postJson<TagEntered>(`/api/tags/${encodeURIComponent(id)}/corrections`, tag),
  withdrawTag: (id: string, reason: string) => postJson<TagEntered>(`/api/tags/${encodeURIComponent(id)}/withdrawal`, { reason }),
  witnessRecord: (sessionId: string, signal?: AbortSignal) =>
    getJson<WitnessRecord>(`/api/sessions/${encodeURIComponent(sessionId)}/witness-record`, signal),
  enterWitness: (sessionId: string, entry: WitnessEntryByHand) =>
    postJson<WitnessRecord>(`/api/sessions/${encodeURIComponent(sessionId)}/witness-record`, entry),
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
  /** All there are, those that were released included. */
  allHolds: (signal?: AbortSignal) => getJson<Hold[]>(`/api/holds?${queryString({ released: true })}`, signal),
  holdProject: (projectId: string, reason: string) =>
    postJson<HoldAct>('/api/holds/projects', { project_ids: [projectId], reason }),
  /** Let go of all that was held in one act. */
  releaseAct: (actId: string, reason: string) => postJson<Hold[]>(`/api/holds/acts/${encodeURIComponent(actId)}/release`, { reason }),
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
  /** Put on record that somebody watches, before the first byte of it is fetched. */
  openWatch: (entry: WatchEntry) => postJson<Watch>('/api/watches', entry),
  beatWatch: (id: string, shown: Shown[]) => postJson<unknown>(`/api/watches/${encodeURIComponent(id)}/beat`, { shown }),
  /** As a page's last word: it is sent even while the page is being left. */
  closeWatch: (id: string, shown: Shown[]) =>
    navigator.sendBeacon(`/api/watches/${encodeURIComponent(id)}/close`, new Blob([JSON.stringify({ shown })], { type: 'application/json' })),
  recordStill: (id: string, sourceId: string, atUs: number) =>
    postJson<null>(`/api/watches/${encodeURIComponent(id)}/stills`, { source_id: sourceId, at_us: atUs }),
  /** What may be watched live now, of those projects or of all. */
  liveSources: (projectIds: readonly string[], signal?: AbortSignal) =>
    getJson<LiveSources>(`/api/live/sources?${queryString({ project_id: projectIds })}`, signal),
  /** Those that are not closed, or all. */
  directives: (open: boolean, signal?: AbortSignal) => getJson<Directive[]>(`/api/directives?${queryString({ open })}`, signal),
  projectDirectives: (projectId: string, signal?: AbortSignal) =>
    getJson<ProjectDirectives>(`/api/projects/${encodeURIComponent(projectId)}/directives`, signal),
  roomDirectives: (roomId: string, signal?: AbortSignal) =>
    getJson<Directive[]>(`/api/rooms/${encodeURIComponent(roomId)}/directives`, signal),
  /** Sent again with the same id, it is issued once. */
  issueDirective: (projectId: string, entry: DirectiveEntry) =>
    postJson<Directive>(`/api/projects/${encodeURIComponent(projectId)}/directives`, entry),
  answerDirective: (id: string, text: string) => postJson<Directive>(`/api/directives/${encodeURIComponent(id)}/answer`, { text }),
  closeDirective: (id: string, note: string) => postJson<Directive>(`/api/directives/${encodeURIComponent(id)}/close`, { note }),
  /** What waits for whoever is signed in. */
  attention: (signal?: AbortSignal) => getJson<Attention>('/api/attention', signal),
  presence: (projectId: string, signal?: AbortSignal) =>
    getJson<ProjectPresence>(`/api/projects/${encodeURIComponent(projectId)}/presence`, signal),
  markPresence: (projectId: string, entry: PresenceEntry) =>
    postJson<Presence>(`/api/projects/${encodeURIComponent(projectId)}/presence`, entry),
  beatPresence: (id: string) => postJson<Presence>(`/api/presence/${encodeURIComponent(id)}/beat`, {}),
  leavePresence: (id: string) => postJson<Presence>(`/api/presence/${encodeURIComponent(id)}/leave`, {}),
  alerts: (open: boolean, signal?: AbortSignal) => getJson<Alert[]>(`/api/alerts?${queryString({ open })}`, signal),
  acknowledgeAlert: (id: string, note: string) => postJson<Alert>(`/api/alerts/${encodeURIComponent(id)}/acknowledge`, { note }),
  me: () => getJson<Me>('/api/me'),
  ways: () => getJson<Ways>('/api/sign-in'),
  signIn: (asked: SignInAsked) => postJson<null>('/api/sign-in', asked),
  signOut: () => postJson<null>('/api/sign-out', {}),
  /** Of the provider of identities; the browser goes there. */
  providerPage: (to: string) => `/api/oidc/start?${queryString({ to })}`,
  enterDemo: (account: string) => postJson<null>('/api/demo/enter', { account }),
  lookAtLink: (token: string) => postJson<BeginLink>('/api/begin/link', { token }),
  begin: (told: Beginning) => postJson<null>('/api/begin', told),
  myLogins: (signal?: AbortSignal) => getJson<Login[]>('/api/me/logins', signal),
  endMyLogin: (id: string) => postJson<null>(`/api/me/logins/${encodeURIComponent(id)}/end`, {}),
  changePassword: (password: string, next: string) => postJson<null>('/api/me/password', { password, new: next }),
  offerFactor: () => postJson<FactorOffer>('/api/me/factor/offer', {}),
  changeFactor: (password: string, offer: string, code: string) => postJson<null>('/api/me/factor', { password, offer, code }),
  accounts: (signal?: AbortSignal) => getJson<Accounts>('/api/accounts', signal),
  addAccount: (account: AccountNew) => postJson<Account>('/api/accounts', account),
  renameAccount: (id: string, names: AccountNames) => postJson<Account>(accountUrl(id), names),
  assignRole: (id: string, told: Assignment) => postJson<Account>(`${accountUrl(id)}/role`, told),
  inviteAccount: (id: string) => postJson<Invitation>(`${accountUrl(id)}/invite`, {}),
  setAccountOpen: (id: string, open: boolean) => postJson<Account>(`${accountUrl(id)}/${open ? 'enable' : 'disable'}`, {}),
  linkAccount: (id: string, identity: string) => postJson<Account>(`${accountUrl(id)}/identity`, { identity }),
  loginsOf: (id: string) => getJson<Login[]>(`${accountUrl(id)}/logins`),
  endLoginOf: (id: string, login: string) => postJson<null>(`${accountUrl(id)}/logins/${encodeURIComponent(login)}/end`, {}),
  audit: (query: AuditQuery, signal?: AbortSignal) => getJson<AuditPage>(`/api/audit?${queryString({ ...query })}`, signal),
  myWatches: (before: string | null, signal?: AbortSignal) => getJson<WatchLogPage>(`/api/my-watches?${queryString({ before })}`, signal),
  mySupervision: (fromUs: number, toUs: number, signal?: AbortSignal) =>
    getJson<Supervision[]>(`/api/my-supervision?${queryString({ from_us: fromUs, to_us: toUs })}`, signal),
  watchLog: (query: WatchLogQuery, signal?: AbortSignal) => getJson<WatchLogPage>(`/api/watch-log?${queryString({ ...query })}`, signal),
  unwatched: (fromUs: number, toUs: number, signal?: AbortSignal) =>
    getJson<Unwatched[]>(`/api/watch-log/unwatched?${queryString({ from_us: fromUs, to_us: toUs })}`, signal),
  supervision: (fromUs: number, toUs: number, signal?: AbortSignal) =>
    getJson<Supervision[]>(`/api/watch-log/supervision?${queryString({ from_us: fromUs, to_us: toUs })}`, signal),
  refusedWatches: (before: number | null, signal?: AbortSignal) =>
    getJson<RefusedWatches>(`/api/watch-log/refused?${queryString({ before })}`, signal),
  projectWatchLog: (projectId: string, signal?: AbortSignal) =>
    getJson<ProjectWatchLog>(`/api/projects/${encodeURIComponent(projectId)}/watch-log`, signal),
  useRequests: (projectId: string | null, signal?: AbortSignal) =>
    getJson<UseRequest[]>(`/api/requests?${queryString({ project_id: projectId })}`, signal),
  /** Ask to see something, or for a copy; without a basis number the attempt is refused and stays on record. */
  askForUse: (entry: UseRequestEntry) => postJson<UseRequest>('/api/requests', entry),
  decideUse: (id: string, approved: boolean, reason: string) =>
    postJson<UseRequest>(`/api/requests/${encodeURIComponent(id)}/decision`, { approved, reason }),
  /** Server-sent events; `changed` comes whenever the catalogue changed. */
  changes: () => new EventSource('/api/changes'),
}

/** An address of footage, for a watch. */
export function watched(url: string, watch: string): string {
  return watch ? `${url}?${queryString({ watch })}` : url
}

/** The socket that all live panes of a page share. */
export function liveSocketUrl(): string {
  return `${location.origin.replace(/^http/, 'ws')}/api/live`
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
  if (response.ok) return response
  const refusal = await errorOf(response)
  if (refusal.status === 401 && refusal.code === 'sign_in') signedOut()
  throw refusal
}

let signedOut: () => void = () => undefined

/** Call `then` whenever the server wants somebody to sign in. */
export function onSignedOut(then: () => void): void {
  signedOut = then
}

function accountUrl(id: string): string {
  return `/api/accounts/${encodeURIComponent(id)}`
}

async function errorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => null)) as unknown
  const code = codeOf(body)
  return new ApiError(response.status, wordsOf(response.status, code) || textOf(body), code)
}

function codeOf(body: unknown): string {
  const { code } = ((body as { detail?: unknown } | null)?.detail ?? {}) as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

/** Why somebody may not, in the page's language; the server says it in two at once. */
function wordsOf(status: number, code: string): string {
  const { t, te } = i18n.global
  return (status === 401 || status === 403) && te(`denied.${code}`) ? t(`denied.${code}`) : ''
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
