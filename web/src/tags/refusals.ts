import type { ApiError } from '@/api/client'
import { i18n } from '@/i18n'

const KNOWN = ['in_future', 'unknown_kind', 'elsewhere', 'tag_replaced']

/** Why a tag was not taken, in words. */
export function refusalText(error: ApiError): string {
  const { t } = i18n.global
  if (KNOWN.includes(error.code)) return t(`tag.refusals.${error.code}`)
  if (error.status === 0) return t('error.network')
  return error.status === 403 || error.status === 401 ? error.message : t('tag.refusals.other')
}
