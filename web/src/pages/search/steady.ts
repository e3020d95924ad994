import { onBeforeUnmount, onMounted, type Ref } from 'vue'

/** A box that grows and never shrinks: what stands below it must not move away from under the pointer at each click. */
export function useSteady(box: Ref<HTMLElement | undefined>): void {
  let tallest = 0
  const observer = new ResizeObserver(() => {
    const height = box.value?.offsetHeight ?? 0
    if (height <= tallest) return
    tallest = height
    box.value!.style.minHeight = `${height}px`
  })
  onMounted(() => box.value && observer.observe(box.value))
  onBeforeUnmount(() => observer.disconnect())
}
