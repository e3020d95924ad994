/** The filters of the list of projects, as the page's address keeps them. */

import type { LocationQuery } from 'vue-router'
import type { ProjectQuery } from '@/api/client'

export const PAGE_SIZE = 20

export interface ProjectFilters {
  region: string
  industry: string
  from: string
  to: string
  page: number
}

const DATE = /^\d{4}-\d{2}-\d{2}$/

export function filtersFrom(query: LocationQuery): ProjectFilters {
  const page = Number(one(query.page))
  return {
    region: one(query.region),
    industry: one(query.industry),
    from: dateOrEmpty(one(query.from)),
    to: dateOrEmpty(one(query.to)),
    page: Number.isInteger(page) && page > 0 ? page : 1,
  }
}

/** Only what differs from an unfiltered first page. */
export function toAddress(filters: ProjectFilters): Record<string, string> {
  const { page, ...texts } = filters
  const used = Object.entries(texts).filter(([, value]) => value !== '')
  return Object.fromEntries(page > 1 ? [...used, ['page', String(page)]] : used)
}

export function toProjectQuery(filters: ProjectFilters): ProjectQuery {
  return {
    region: filters.region || undefined,
    industry: filters.industry || undefined,
    date_from: filters.from || undefined,
    date_to: filters.to || undefined,
    offset: (filters.page - 1) * PAGE_SIZE,
    limit: PAGE_SIZE,
  }
}

function one(value: LocationQuery[string] | undefined): string {
  return (Array.isArray(value) ? value[0] : value) ?? ''
}

function dateOrEmpty(text: string): string {
  return DATE.test(text) ? text : ''
}
