import { onBeforeUnmount, onMounted, type Ref } from 'vue'

/** Keys of the search: `/` to the words, ↓ from there to the results, ↑ ↓ among them, → and ← open and shut one's clips. */
export function onSearchKeys(box: Ref<HTMLInputElement | undefined>, open: (projectId: string, wanted: boolean) => void): void {
  const results = (): HTMLElement[] => [...document.querySelectorAll<HTMLElement>('[data-hit]')]

  function move(from: HTMLElement, by: number): void {
    const all = results()
    const at = all.indexOf(from) + by
    ;(at < 0 ? box.value : all[at])?.focus()
  }

  function onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return
    const target = event.target as HTMLElement
    const action = actionOf(event.key, target)
    if (!action) return
    event.preventDefault()
    action()
  }

  function actionOf(key: string, target: HTMLElement): (() => void) | undefined {
    if (target === box.value) return key === 'ArrowDown' ? () => results()[0]?.focus() : undefined
    if (key === '/' && !target.closest('input:not([type="checkbox"], [type="radio"]), select, textarea')) return () => box.value?.select()
    const id = target.dataset.id
    if (id === undefined || !('hit' in target.dataset)) return undefined
    const actions: Record<string, () => void> = {
      ArrowDown: () => move(target, 1),
      ArrowUp: () => move(target, -1),
      ArrowRight: () => open(id, true),
      ArrowLeft: () => open(id, false),
    }
    return actions[key]
  }

  onMounted(() => window.addEventListener('keydown', onKey))
  onBeforeUnmount(() => window.removeEventListener('keydown', onKey))
}
