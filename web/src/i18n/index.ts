import { computed } from 'vue'
import { createI18n } from 'vue-i18n'
import { en } from './en'
import { zhCN, type Messages } from './zh-CN'

export type Locale = 'zh-CN' | 'en'

const STORED_AS = 'jianzheng.locale'

export const i18n = createI18n<[Messages], Locale, false>({
  legacy: false,
  locale: firstLocale(),
  fallbackLocale: 'zh-CN',
  messages: { 'zh-CN': zhCN, en },
})

export const locale = computed<Locale>({
  get: () => i18n.global.locale.value,
  set: (value) => {
    i18n.global.locale.value = value
    document.documentElement.lang = value
    try {
      localStorage.setItem(STORED_AS, value)
    } catch {
      // A browser without storage starts in its own language next time.
    }
  },
})

function firstLocale(): Locale {
  return chosenLocale() ?? localeOf(globalThis.navigator?.languages ?? [])
}

/** What somebody chose in this browser before. */
function chosenLocale(): Locale | null {
  try {
    const stored = localStorage.getItem(STORED_AS)
    return stored === 'en' || stored === 'zh-CN' ? stored : null
  } catch {
    return null
  }
}

/** The first of a browser's languages that there is; Chinese where there is none. */
export function localeOf(languages: readonly string[]): Locale {
  const known = languages.map((one) => one.toLowerCase().split('-')[0]).find((one) => one === 'zh' || one === 'en')
  return known === 'en' ? 'en' : 'zh-CN'
}

/** The name in the page's language; the other one where it is missing. */
export function localName(row: { name_zh: string; name_en: string }): string {
  return locale.value === 'en' ? row.name_en || row.name_zh : row.name_zh || row.name_en
}

export function localLabel(row: { label_zh: string; label_en: string }): string {
  return localName({ name_zh: row.label_zh, name_en: row.label_en })
}

/** A label without the name of its room, which stands above it. */
export function labelWithin(label: string, room: string): string {
  return (room && label.startsWith(room) && label.slice(room.length).replace(/^[\s,，·]+/, '')) || label
}

/** Words for a step of archiving; one that the catalogue does not know is shown as it came. */
export function stepName(step: string): string {
  const words = (i18n.global.locale.value === 'en' ? en : zhCN).archive.steps as Record<string, string>
  return words[step] ?? step
}
